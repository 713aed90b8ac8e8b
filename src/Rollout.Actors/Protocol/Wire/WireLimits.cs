using System.Text;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Protocol.Wire;

/// <summary>
/// What can be sent at all: Akka drops a message that exceeds its frame at the sender, and nobody is told. So whatever is
/// to cross hosts is measured before it is taken. Sizes are upper bounds of what the formats write.
/// </summary>
public static class WireLimits
{
    /// <summary>Bytes of a frame: <c>akka.remote.dot-netty.tcp.maximum-frame-size</c>.</summary>
    public const int FrameBytes = 4 << 20;

    /// <summary>Bytes of a group's request at most: an assignment carries it beside its samples.</summary>
    public const int RequestBytes = 2 << 20;

    /// <summary>Bytes of a frame that are left for addresses, and for who sampled which tokens.</summary>
    private const int SpareBytes = 256 << 10;

    /// <summary>A number, or the length of a list or text, with its type.</summary>
    private const int NumberBytes = 9;

    /// <summary>A token's id and its log-probability.</summary>
    private const int TokenBytes = 8;

    /// <summary>Characters of a reason at most: what a library says of a fault may be long.</summary>
    private const int ReasonLength = 4000;

    /// <summary>A reason as it can be sent.</summary>
    public static string Reason(string text) => text.Length <= ReasonLength ? text : $"{text[..ReasonLength]}…";

    /// <summary>
    /// Why a group can't be sent between hosts, or come back whole, in a sentence; null where it can.
    /// </summary>
    public static string? WhyTooLarge(GroupRequest group)
    {
        var bytes = 6L * NumberBytes + ListBytes(group.Prompt.Length) + ListBytes(group.Samples.Length);
        var (longest, before) = (0, (SamplingParams?)null);
        foreach (var sampling in group.Samples)
        {
            if (ReferenceEquals(sampling, before))
                continue;
            if (WhyTooLarge(sampling.StopTexts) is { } reason)
                return reason;
            bytes += BytesOf(sampling);
            (longest, before) = (Math.Max(longest, sampling.MaxTokens), sampling);
        }
        if (bytes > RequestBytes)
        {
            return $"prompt of {group.Prompt.Length} tokens, {group.Samples.Length} samples and their stop texts take {bytes}"
                + $" bytes, more than the {RequestBytes} that a message may have for them";
        }
        var left = FrameBytes - SpareBytes - bytes;
        return (long)TokenBytes * longest <= left ? null
            : $"a sample of up to {longest} new tokens is longer than the {left / TokenBytes} that a message has room for";
    }

    /// <summary>Bytes of a sample in an assignment.</summary>
    public static long BytesOf(SampleStart start) =>
        4L * NumberBytes + (long)TokenBytes * start.Sampled.Count + 3L * NumberBytes * start.Sampled.Versions.Length;

    private static string? WhyTooLarge(string[] stopTexts)
    {
        if (stopTexts.Length > WireReader.MaxCount)
            return $"{stopTexts.Length} stop texts are more than the {WireReader.MaxCount} that a message may have";
        var longest = stopTexts.Length == 0 ? 0 : stopTexts.Max(Encoding.UTF8.GetByteCount);
        return longest <= WireReader.MaxText ? null
            : $"a stop text has {longest} bytes, more than the {WireReader.MaxText} that a message may have";
    }

    private static long BytesOf(SamplingParams sampling) => 8L * NumberBytes + ListBytes(sampling.StopTokenIds.Length)
        + sampling.StopTexts.Sum(text => NumberBytes + (long)Encoding.UTF8.GetByteCount(text));

    /// <summary>Of a list of 32-bit numbers.</summary>
    private static long ListBytes(int count) => NumberBytes + (long)sizeof(int) * count;
}
