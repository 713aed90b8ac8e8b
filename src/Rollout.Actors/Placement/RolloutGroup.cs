using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Placement;

/// <summary>
/// A group as the scheduler knows it, with its samples. One that a decoder brought over from an earlier scheduler has no
/// request until its client submits it.
/// </summary>
public sealed class RolloutGroup(GroupId id, long arrival)
{
    /// <summary>Decoder losses after which it fails.</summary>
    public const int MostLosses = 3;

    private List<SampleSlot> _slots = [];
    private Dictionary<int, SampleSlot>? _reported = [];     // until a request says which samples there are

    public GroupId Id { get; } = id;

    /// <summary>Its place in the order of arrival.</summary>
    public long Arrival { get; } = arrival;

    /// <summary>What its client asked for; null while no client has.</summary>
    public GroupRequest? Request { get; private set; }

    /// <summary>The only weights that it may be decoded with; null for any.</summary>
    public Policy? Required { get; private set; }

    /// <summary>The only model and tokenizer that it may be decoded with; null for any.</summary>
    public string? Fingerprint { get; private set; }

    /// <summary>The most tokens that its longest sample may have, prompt included.</summary>
    public long Longest { get; private set; }

    /// <summary>The line that it waits in; null while nothing of it waits, or nobody has asked for it.</summary>
    public WorkLine? Line { get; set; }

    /// <summary>It was larger than any decoder takes: decoders get parts of it.</summary>
    public bool IsSplit { get; set; }

    /// <summary>Decoders that failed while they worked on it, and whose hosts stayed.</summary>
    public int Losses { get; set; }

    /// <summary>It may be what makes decoders fail: before its last try it is kept apart from other suspects.</summary>
    public bool IsSuspect => Losses >= MostLosses - 1;

    /// <summary>When <see cref="GroupRegister"/> looks at it.</summary>
    public TimeSpan Due { get; set; }

    /// <summary>When its last token came, or when a decoder was last given something of it.</summary>
    public TimeSpan ProgressAt { get; set; }

    /// <summary>Tokens sampled so far, all samples together.</summary>
    public long Tokens
    {
        get
        {
            var tokens = 0L;
            foreach (var slot in _slots)
                tokens += slot.Count;
            return tokens;
        }
    }

    /// <summary>How it ended; null while it is on its way.</summary>
    public GroupOutcome? Outcome { get; private set; }

    /// <summary>Decoders that may hold something of it.</summary>
    public List<KnownDecoder> Holders { get; } = [];

    /// <summary>Its samples in their order; of a group without a request, those that were reported.</summary>
    public IReadOnlyList<SampleSlot> Slots => _slots;

    /// <summary>Samples that no decoder works on and that haven't finished.</summary>
    public int Waiting { get; set; }

    /// <summary>Samples that haven't finished.</summary>
    public int Unfinished { get; set; }

    /// <summary>Attaches what its client asks for. False if decoders have samples that the request doesn't have.</summary>
    public bool Attach(GroupRequest request, Policy? required, string? fingerprint)
    {
        var samples = request.Samples;
        if (_slots.Exists(slot => slot.Sample >= samples.Length || slot.Count > samples[slot.Sample].MaxTokens))
            return false;
        (Request, Required, Fingerprint) = (request, required, fingerprint);
        Longest = request.Prompt.Length + samples.Max(sample => (long)sample.MaxTokens);
        var unheard = samples.Length - _slots.Count;
        Waiting += unheard;
        Unfinished += unheard;
        _slots = [.. Enumerable.Range(0, samples.Length)
            .Select(sample => _reported?.GetValueOrDefault(sample) ?? new SampleSlot(sample))];
        _reported = null;
        return true;
    }

    /// <summary>One of its samples. Without a request, any number may be reported: it is added.</summary>
    public SampleSlot FindOrAddSlot(int sample)
    {
        if (_reported is null)
            return _slots[sample];
        if (!_reported.TryGetValue(sample, out var slot))
        {
            _reported.Add(sample, slot = new SampleSlot(sample));
            _slots.Add(slot);
            Waiting++;
            Unfinished++;
        }
        return slot;
    }

    /// <summary>Notes that a decoder may hold something of it, and is to be told when it is over.</summary>
    public void HeldBy(KnownDecoder decoder)
    {
        if (!Holders.Contains(decoder))
            Holders.Add(decoder);
    }

    /// <summary>Ends it: its samples are kept in the outcome alone.</summary>
    public void End(GroupOutcome outcome)
    {
        Outcome = outcome;
        _slots = [];
        Waiting = Unfinished = 0;
    }
}

/// <summary>One sample as the scheduler knows it: waiting, on a decoder, or finished, with its tokens so far.</summary>
public sealed class SampleSlot(int sample)
{
    private SampledTokensBuilder _sampled = new();
    private FinishReason _reason;

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
    public void Clear() => _sampled = new SampledTokensBuilder();

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

    /// <summary>What a decoder needs to go on.</summary>
    public SampleStart ToStart() => new(Sample, _sampled.ToSampledTokens());

    /// <summary>The finished sample.</summary>
    public Completion ToCompletion() => new(Sample, _sampled.ToSampledTokens(), _reason);
}
