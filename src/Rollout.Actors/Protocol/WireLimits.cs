using System.Text;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Protocol;

/// <summary>
/// The largest requests and samples that can be sent between hosts. Akka drops a message that is longer than a frame at the
/// sender and tells nobody, so clients and the scheduler measure a group before they accept it. All sizes are upper bounds of
/// what the wire formats write.
/// </summary>
public static class WireLimits
{
    /// <summary>The length of a frame in bytes: <c>akka.remote.dot-netty.tcp.maximum-frame-size</c>.</summary>
    public const int FrameBytes = 4 << 20;

    /// <summary>The longest group request in bytes; an assignment carries it beside its samples.</summary>
    public const int RequestBytes = 2 << 20;

    /// <summary>The longest text in bytes of UTF-8.</summary>
    public const int MaxText = 1 << 16;

    /// <summary>The most items of a list.</summary>
    public const int MaxCount = 1 << 20;

    /// <summary>The bytes of a frame that are kept for addresses and for the policy versions of the tokens.</summary>
    private const int SpareBytes = 256 << 10;

    /// <summary>A number, or the length of a list or text, with its type.</summary>
    private const int NumberBytes = 9;

    /// <summary>A token's id and its log-probability.</summary>
    private const int TokenBytes = 8;

    /// <summary>A token's id and its two log-probabilities, where top-k, top-p or min-p is on.</summary>
    private const int FilteredTokenBytes = 12;

    /// <summary>The longest reason in characters. Libraries' messages can be very long.</summary>
    private const int ReasonLength = 4000;

    /// <summary>Cuts a reason to a length that can be sent.</summary>
    public static string Reason(string text) => text.Length <= ReasonLength ? text : $"{text[..ReasonLength]}…";

    /// <summary>
    /// Says in a sentence why a group can't be sent between hosts, or why its samples could not come back whole; null if both
    /// fit.
    /// </summary>
    public static string? WhyTooLarge(GroupRequest group)
    {
        var bytes = 6L * NumberBytes + ListBytes(group.Prompt.Length) + ListBytes(group.Samples.Length);
        SamplingParams? largest = null, before = null;
        foreach (var sampling in group.Samples)
        {
            if (ReferenceEquals(sampling, before))
                continue;
            if (WhyTooLarge(sampling.StopTexts) is { } reason)
                return reason;
            bytes += BytesOf(sampling);
            before = sampling;
            if (largest is null || MostBytesOf(sampling) > MostBytesOf(largest))
                largest = sampling;
        }
        if (bytes > RequestBytes)
        {
            return $"prompt of {group.Prompt.Length} tokens, {group.Samples.Length} samples and their stop texts take {bytes}"
                + $" bytes, more than the {RequestBytes} that a message may have for them";
        }
        var left = FrameBytes - SpareBytes - bytes;
        return largest is null || MostBytesOf(largest) <= left ? null
            : $"a sample of up to {largest.MaxTokens} new tokens is longer than the {left / TokenBytesOf(largest.Filters)} that a"
                + " message has room for";
    }

    /// <summary>The bytes that a sample takes in an assignment.</summary>
    public static long BytesOf(SampleStart start) =>
        5L * NumberBytes + (long)TokenBytesOf(start.Sampled.SamplingLogprobs is not null) * start.Sampled.Count
        + 3L * NumberBytes * start.Sampled.Versions.Length;

    private static int TokenBytesOf(bool filtered) => filtered ? FilteredTokenBytes : TokenBytes;

    /// <summary>The bytes of the tokens that may be sampled.</summary>
    private static long MostBytesOf(SamplingParams sampling) => (long)TokenBytesOf(sampling.Filters) * sampling.MaxTokens;

    private static string? WhyTooLarge(string[] stopTexts)
    {
        if (stopTexts.Length > MaxCount)
            return $"{stopTexts.Length} stop texts are more than the {MaxCount} that a message may have";
        var longest = stopTexts.Length == 0 ? 0 : stopTexts.Max(Encoding.UTF8.GetByteCount);
        return longest <= MaxText ? null
            : $"a stop text has {longest} bytes, more than the {MaxText} that a message may have";
    }

    private static long BytesOf(SamplingParams sampling) => 8L * NumberBytes + ListBytes(sampling.StopTokenIds.Length)
        + sampling.StopTexts.Sum(text => NumberBytes + (long)Encoding.UTF8.GetByteCount(text));

    /// <summary>The bytes of a list of 32-bit numbers.</summary>
    private static long ListBytes(int count) => NumberBytes + (long)sizeof(int) * count;
}
