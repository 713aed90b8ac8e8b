using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Protocol;

/// <summary>
/// Consecutive tokens of one sample, with the log-probability and the policy of each: a whole completion, or the part
/// of it that a message carries. Immutable: its arrays are never written again.
/// </summary>
/// <param name="Tokens">The sampled ids.</param>
/// <param name="Logprobs">[tokens] their log-probabilities (see <see cref="StepOutput.Logprobs"/>).</param>
/// <param name="Versions">Which policy sampled which tokens, in order of their first token; the first starts at 0.</param>
/// <param name="SamplingLogprobs">
/// [tokens] their log-probabilities among the tokens that top-k, top-p and min-p kept (see
/// <see cref="StepOutput.SamplingLogprobs"/>); null where nothing filters, and they equal the other ones.
/// </param>
public sealed record SampledTokens(
    int[] Tokens, float[] Logprobs, VersionSpan[] Versions, float[]? SamplingLogprobs = null)
{
    /// <summary>No tokens: where every new sample starts.</summary>
    public static SampledTokens Empty { get; } = new([], [], []);

    /// <summary>The number of tokens.</summary>
    public int Count => Tokens.Length;

    /// <summary>A copy of some of the tokens. Its versions count from its own first token.</summary>
    public SampledTokens Slice(int start, int count) => start == 0 && count == Count
        ? this
        : new SampledTokens(
            Tokens[start..(start + count)],
            Logprobs[start..(start + count)],
            VersionSpan.Slice(Versions, start, count),
            SamplingLogprobs?[start..(start + count)]);
}

/// <summary>
/// The growing tokens of one sample: a decoder's sequence and the scheduler's slot each have one. Appending copies only
/// what is appended, slicing only the slice.
/// </summary>
public sealed class SampledTokensBuilder
{
    /// <summary>The most tokens that the arrays grow by, so that a long sample doesn't hold twice its memory.</summary>
    private const int Growth = 4096;

    private readonly int _promptLength;
    private VersionSpan[] _versions = [];       // never written, but replaced: slices share it
    private int[] _tokens = [];
    private float[] _logprobs = [];
    private float[]? _samplingLogprobs;         // null while they equal the other ones

    /// <param name="prompt">Tokens that stand before the sampled ones in <see cref="PromptAndSampled"/>.</param>
    /// <param name="capacity">Sampled tokens to make room for.</param>
    public SampledTokensBuilder(ReadOnlySpan<int> prompt = default, int capacity = 0)
    {
        _promptLength = prompt.Length;
        Resize(capacity);
        prompt.CopyTo(_tokens);
    }

    /// <summary>The number of sampled tokens.</summary>
    public int Count { get; private set; }

    /// <summary>What is in it now is never written again, however many tokens follow.</summary>
    public ReadOnlyMemory<int> PromptAndSampled => _tokens.AsMemory(0, _promptLength + Count);

    /// <param name="token">The sampled id.</param>
    /// <param name="logprob">Its log-probability before any filter.</param>
    /// <param name="policy">What sampled it.</param>
    /// <param name="samplingLogprob">Its log-probability among the kept tokens; null where nothing filters.</param>
    public void Append(int token, float logprob, Policy policy, float? samplingLogprob = null)
    {
        Reserve(1);
        AppendVersion(policy, Count);
        _tokens[_promptLength + Count] = token;
        _logprobs[Count] = logprob;
        if (samplingLogprob is not null)
            _samplingLogprobs ??= [.. _logprobs];
        _samplingLogprobs?[Count] = samplingLogprob ?? logprob;
        Count++;
    }

    /// <summary>Appends the tokens from <paramref name="from"/> on.</summary>
    public void Append(SampledTokens sampled, int from = 0)
    {
        var added = sampled.Count - from;
        Reserve(added);
        foreach (var span in VersionSpan.Slice(sampled.Versions, from, added))
            AppendVersion(span.Policy, Count + span.Start);
        sampled.Tokens.AsSpan(from).CopyTo(_tokens.AsSpan(_promptLength + Count));
        sampled.Logprobs.AsSpan(from).CopyTo(_logprobs.AsSpan(Count));
        if (sampled.SamplingLogprobs is not null)
            _samplingLogprobs ??= [.. _logprobs];
        if (_samplingLogprobs is not null)
            (sampled.SamplingLogprobs ?? sampled.Logprobs).AsSpan(from).CopyTo(_samplingLogprobs.AsSpan(Count));
        Count += added;
    }

    public SampledTokens Slice(int start, int count)
    {
        if (start + count > Count)
            throw new ArgumentOutOfRangeException(nameof(count), $"tokens {start}…{start + count - 1} of {Count}");
        return count == 0 ? SampledTokens.Empty : new SampledTokens(
            _tokens.AsSpan(_promptLength + start, count).ToArray(),
            _logprobs.AsSpan(start, count).ToArray(),
            VersionSpan.Slice(_versions, start, count),
            _samplingLogprobs?.AsSpan(start, count).ToArray());
    }

    /// <summary>All tokens: without a copy where they fill the arrays, which are not written again then.</summary>
    public SampledTokens ToSampledTokens() => Count > 0 && Count == _tokens.Length
        ? new SampledTokens(_tokens, _logprobs, _versions, _samplingLogprobs)
        : Slice(0, Count);

    private void AppendVersion(Policy policy, int start)
    {
        if (_versions.Length == 0 || _versions[^1].Policy != policy)
            _versions = [.. _versions, new VersionSpan(policy, start)];
    }

    /// <summary>Makes room: exactly enough at first, since many samples come whole, and then for as much again.</summary>
    private void Reserve(int added)
    {
        var needed = Count + added;
        if (needed > _logprobs.Length)
            Resize(Count == 0 ? needed : needed + Math.Min(needed, Growth));
    }

    private void Resize(int capacity)
    {
        Array.Resize(ref _logprobs, capacity);
        if (_samplingLogprobs is not null)
            Array.Resize(ref _samplingLogprobs, capacity);
        Array.Resize(ref _tokens, _promptLength + capacity);
    }
}
