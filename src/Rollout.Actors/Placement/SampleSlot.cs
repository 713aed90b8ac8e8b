using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Placement;

/// <summary>One sample as the scheduler knows it: waiting, on a decoder, or finished, with its tokens so far.</summary>
public sealed class SampleSlot(int sample)
{
    private SampledTokensBuilder _sampled = new();
    private FinishReason _reason;

    /// <summary>Its number in the group.</summary>
    public int Sample { get; } = sample;

    /// <summary>Who works on it; null while it waits and when it has finished.</summary>
    public DecoderLoad? Decoder { get; private set; }

    /// <summary>The assignment that it is worked on under.</summary>
    public int Attempt { get; private set; }

    public bool IsFinished { get; private set; }

    public bool IsWaiting => Decoder is null && !IsFinished;

    /// <summary>Tokens that are known.</summary>
    public int Count => _sampled.Count;

    /// <summary>Blocks that it is expected to need of its own, as they were added to the decoder's.</summary>
    public int ReservedBlocks { get; private set; }

    /// <summary>This decoder works on it from now on.</summary>
    public void Assign(DecoderLoad decoder, int attempt, int reservedBlocks) =>
        (Decoder, Attempt, ReservedBlocks) = (decoder, attempt, reservedBlocks);

    /// <summary>Nobody works on it; it keeps its tokens.</summary>
    public void Release() => (Decoder, ReservedBlocks) = (null, 0);

    /// <summary>Forgets its tokens: those of a decoder that works on it already are taken instead.</summary>
    public void Clear() => _sampled = new SampledTokensBuilder();

    /// <summary>Takes tokens that aren't known yet. False where those before them aren't known either.</summary>
    public bool Append(SampleProgress progress)
    {
        if (progress.Start > Count)
            return false;
        var known = Count - progress.Start;
        if (known < progress.Sampled.Count)
            _sampled.Append(progress.Sampled, from: known);
        return true;
    }

    /// <summary>No more tokens are to come.</summary>
    public void Finish(FinishReason reason)
    {
        Release();
        IsFinished = true;
        _reason = reason;
    }

    /// <summary>What a decoder needs to go on.</summary>
    public SampleStart ToStart() => new(Sample, _sampled.ToSampledTokens());

    /// <summary>The finished sample.</summary>
    public Completion ToCompletion() => new(Sample, _sampled.ToSampledTokens(), _reason);
}
