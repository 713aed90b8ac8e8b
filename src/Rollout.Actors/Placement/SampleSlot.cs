using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Placement;

/// <summary>One sample as the scheduler knows it: waiting, on a decoder, or finished, with its tokens so far.</summary>
public sealed class SampleSlot(int sample)
{
    private SampledTokensBuilder _sampled = new();
    private FinishReason _reason;
    private int _told;              // tokens that the client of a streamed group was told
    private bool _toldEnd;

    /// <summary>Its number in the group.</summary>
    public int Sample { get; } = sample;

    /// <summary>The decoder that works on it; null while it waits and when it has finished.</summary>
    public KnownDecoder? Decoder { get; private set; }

    /// <summary>The assignment that it is worked on under.</summary>
    public AssignmentId Assignment { get; private set; }

    public bool IsFinished { get; private set; }

    public bool IsWaiting => Decoder is null && !IsFinished;

    /// <summary>Tokens that were reported.</summary>
    public int Count => _sampled.Count;

    /// <summary>Blocks that it is expected to need of its own, as the decoder counts them.</summary>
    public int ReservedBlocks { get; private set; }

    /// <summary>Assigns it to a decoder.</summary>
    public void Assign(KnownDecoder decoder, AssignmentId assignment, int reservedBlocks) =>
        (Decoder, Assignment, ReservedBlocks) = (decoder, assignment, reservedBlocks);

    /// <summary>Takes it from its decoder. It keeps its tokens.</summary>
    public void Release() => (Decoder, ReservedBlocks) = (null, 0);

    /// <summary>Forgets its tokens: a decoder that works on it already reports its own.</summary>
    public void Clear() => (_sampled, _told) = (new SampledTokensBuilder(), 0);

    /// <summary>Appends tokens that aren't known yet. False if tokens before them are missing.</summary>
    public bool Append(SampleProgress progress)
    {
        if (progress.Start > Count)
            return false;
        var known = Count - progress.Start;
        if (known < progress.Sampled.Count)
            _sampled.Append(progress.Sampled, from: known);
        return true;
    }

    /// <summary>Finishes it: no more tokens come.</summary>
    public void Finish(FinishReason reason)
    {
        Release();
        IsFinished = true;
        _reason = reason;
    }

    /// <summary>What is new since the last call; null if nothing is.</summary>
    public SampleSlice? TakeNews()
    {
        if (_told == Count && _toldEnd == IsFinished)
            return null;
        var news = new SampleSlice(Sample, _told, _sampled.Slice(_told, Count - _told), IsFinished ? _reason : null);
        (_told, _toldEnd) = (Count, IsFinished);
        return news;
    }

    /// <summary>What a decoder needs to go on.</summary>
    public SampleStart ToStart() => new(Sample, _sampled.ToSampledTokens());

    /// <summary>The finished sample.</summary>
    public Completion ToCompletion() => new(Sample, _sampled.ToSampledTokens(), _reason);
}
