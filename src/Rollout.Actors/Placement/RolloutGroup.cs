using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Placement;

/// <summary>
/// A group as the scheduler knows it. One that a decoder brought over from an earlier scheduler has no request until its
/// client submits it again.
/// </summary>
public sealed class RolloutGroup(GroupId id, long order)
{
    /// <summary>Losses with which it fails.</summary>
    public const int MostLosses = 3;

    private readonly List<SampleSlot> _slots = [];

    public GroupId Id { get; } = id;

    /// <summary>Its place in the order of arrival.</summary>
    public long Order { get; } = order;

    /// <summary>What its client asked for; null while no client has.</summary>
    public GroupRequest? Request { get; private set; }

    /// <summary>The only weights that it may be decoded with; null for any.</summary>
    public Policy? Required { get; private set; }

    /// <summary>Of the only model and tokenizer that it may be decoded with; null for any.</summary>
    public string? Fingerprint { get; private set; }

    /// <summary>Tokens of its longest sample at most, prompt included.</summary>
    public long Longest { get; private set; }

    /// <summary>The line that it waits in; null while nothing of it waits, or nobody has asked for it.</summary>
    public WorkLine? Line { get; set; }

    /// <summary>A decoder has worked on it.</summary>
    public bool HasBegun { get; set; }

    /// <summary>It was larger than what any decoder takes: it goes in parts.</summary>
    public bool IsSplit { get; set; }

    /// <summary>Decoders that were lost while they worked on it, their hosts staying.</summary>
    public int Losses { get; set; }

    /// <summary>It may be what they were lost by: from the last try on it runs apart from others of which that is so.</summary>
    public bool IsSuspect => Losses >= MostLosses - 1;

    /// <summary>When <see cref="GroupRegister"/> looks at it.</summary>
    public TimeSpan Due { get; set; }

    /// <summary>When its last token came, or when it was begun.</summary>
    public TimeSpan ProgressAt { get; set; }

    /// <summary>Tokens sampled so far, all samples together.</summary>
    public long Tokens => _slots.Sum(slot => (long)slot.Count);

    /// <summary>How it ended; null while it is on its way.</summary>
    public GroupOutcome? Outcome { get; private set; }

    /// <summary>Decoders that may hold something of it.</summary>
    public List<DecoderLoad> Holders { get; } = [];

    /// <summary>Its samples; of a group without a request, those up to the highest that was reported.</summary>
    public IReadOnlyList<SampleSlot> Slots => _slots;

    /// <summary>Samples that nobody works on and that haven't finished.</summary>
    public int Waiting { get; set; }

    /// <summary>Samples that haven't finished.</summary>
    public int Unfinished { get; set; }

    /// <summary>Its client asks for it. False where what decoders brought is not of this group.</summary>
    public bool Attach(GroupRequest request, Policy? required, string? fingerprint)
    {
        if (_slots.Count > request.Samples.Length)
            return false;
        (Request, Required, Fingerprint) = (request, required, fingerprint);
        Longest = request.Prompt.Length + request.Samples.Max(sample => (long)sample.MaxTokens);
        Slot(request.Samples.Length - 1);
        return true;
    }

    /// <summary>One of its samples; those before it come to be with it.</summary>
    public SampleSlot Slot(int sample)
    {
        while (_slots.Count <= sample)
        {
            _slots.Add(new SampleSlot(_slots.Count));
            Waiting++;
            Unfinished++;
        }
        return _slots[sample];
    }

    /// <summary>A decoder may hold something of it.</summary>
    public void HeldBy(DecoderLoad decoder)
    {
        if (!Holders.Contains(decoder))
            Holders.Add(decoder);
    }

    /// <summary>It is over; its samples are not kept but in the outcome.</summary>
    public void End(GroupOutcome outcome)
    {
        Outcome = outcome;
        _slots.Clear();
        Waiting = Unfinished = 0;
    }
}
