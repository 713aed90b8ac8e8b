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
    public Policy? RequiredPolicy { get; private set; }

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

    /// <summary>It is streamed, and its client has not been told of all tokens.</summary>
    public bool HasGrown { get; set; }

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
        (Request, RequiredPolicy, Fingerprint) = (request, required, fingerprint);
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
    public void AddHolder(KnownDecoder decoder)
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
