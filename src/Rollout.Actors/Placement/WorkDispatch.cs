using Rollout.Actors.Protocol;
using Rollout.Actors.Protocol.Wire;

namespace Rollout.Actors.Placement;

/// <summary>
/// Hands waiting samples to decoders with room, those of a group together and the oldest group first, and moves what
/// waits on one decoder to another that has run dry. While something waits that nobody has room for, only a decoder
/// that changed is looked at.
/// </summary>
/// <param name="policy">Where there is room.</param>
/// <param name="ranking">The decoders.</param>
/// <param name="begun">Told of a group that is given to a decoder for the first time.</param>
public sealed class WorkDispatch(PlacementPolicy policy, DecoderRanking ranking, Action<RolloutGroup> begun)
{
    /// <summary>Bytes of one assignment's samples at most, but for a single longer one: a message stays far below a frame.</summary>
    private const int AssignedBytes = 512 * 1024;

    private readonly WorkRecall _recall = new(policy);
    private readonly List<WorkLine> _stuck = [];        // while groups are placed: nobody has room for their oldest
    private int _attempts;
    private int _mostSeqs;          // samples that a decoder takes at most
    private long _mostTokens;       // that the blocks hold that it takes at most
    private bool _isBlocked;        // for every group at the head of a line it is known that no decoder has room

    /// <summary>Nothing is given to anybody.</summary>
    public bool IsHeld { get; set; }

    /// <summary>Sequences in the queue.</summary>
    public int WaitingSequences { get; private set; }

    /// <summary>Groups that wait.</summary>
    public WorkQueue Waiting { get; } = new();

    /// <summary>Other decoders are there.</summary>
    public void Measure(IEnumerable<DecoderLoad> decoders)
    {
        (_mostSeqs, _mostTokens) = (0, 0);
        foreach (var capacity in decoders.Select(decoder => decoder.Capacity))
        {
            var (seqs, blocks) = policy.Most(capacity);
            (_mostSeqs, _mostTokens) = (Math.Max(_mostSeqs, seqs), Math.Max(_mostTokens, blocks * capacity.BlockSize));
        }
        Waiting.Reline(decoders.Select(decoder => decoder.Capacity.Reach));
        _isBlocked = false;
    }

    /// <summary>A submitted group's waiting samples want a decoder.</summary>
    public void Queue(RolloutGroup group)
    {
        if (group.Waiting == 0)
            return;
        WaitingSequences += group.Waiting;
        Waiting.Add(group);
        if (!_isBlocked || group.Line!.First == group)
            PlaceAll();
    }

    /// <summary>So many samples of a group wait again. Placed with the next change.</summary>
    public void Requeue(RolloutGroup group, int samples)
    {
        group.Waiting += samples;
        if (group.Request is null)
            return;
        WaitingSequences += samples;
        Waiting.Add(group);
        _isBlocked = false;
    }

    /// <summary>A decoder works on a waiting sample already.</summary>
    public void Take(RolloutGroup group, SampleSlot slot, DecoderLoad decoder, int attempt)
    {
        Placed(group, 1);
        Give(group, slot, decoder, attempt);
    }

    /// <summary>A group's waiting samples want no decoder any more.</summary>
    public void Remove(RolloutGroup group)
    {
        if (group.Request is null || group.Waiting == 0)
            return;
        WaitingSequences -= group.Waiting;
        _isBlocked &= group.Line!.First != group;
        Waiting.Remove(group);
    }

    /// <summary>Gives waiting groups to decoders, the oldest to the emptiest.</summary>
    public void PlaceAll()
    {
        if (IsHeld || Waiting.IsEmpty)
            return;
        _stuck.Clear();
        while (Waiting.Oldest(except: _stuck) is { } line)
        {
            if (!Place(line.First!))
                _stuck.Add(line);
        }
        _isBlocked = !Waiting.IsEmpty;
    }

    /// <summary>A decoder has changed, and may have room for what waits.</summary>
    public void Fill(DecoderLoad decoder)
    {
        if (!_isBlocked)
        {
            PlaceAll();
            return;
        }
        if (IsHeld)
            return;
        while (Oldest(decoder) is ({ } group, var samples))
            Assign(group, decoder, samples);
        _isBlocked = !Waiting.IsEmpty;
    }

    /// <summary>
    /// Where a decoder has places to spare and nothing waits for them here, what waits on another one is recalled:
    /// groups that haven't begun, the youngest first, or parts of one where that pays. They come back to the queue.
    /// </summary>
    /// <param name="changed">Looked at as the dry one, or as the one where something waits.</param>
    public void Balance(DecoderLoad changed)
    {
        if (changed.Load.Waiting == 0)
            Fetch(changed);
        else if (ranking.EmptiestFirst.FirstOrDefault() is { } emptiest && emptiest != changed)
            Fetch(emptiest);
    }

    private void Fetch(DecoderLoad dry)
    {
        var places = dry.Capacity.MaxNumSeqs - dry.AssignedSeqs;
        if (IsHeld || places <= 0 || !dry.TakesWork || dry.Load.Waiting > 0 || dry.IsFetching
            || HasWaiting(dry))
        {
            return;
        }
        foreach (var donor in ranking.MostWaitingFirst)
        {
            if (donor == dry || donor.IsRecallOut || !_recall.Recall(donor, dry, Math.Min(places, donor.Load.Waiting)))
                continue;
            donor.LastRecall = donor.Commands.Last;
            dry.FetchesFrom = donor;
            return;
        }
    }

    private bool HasWaiting(DecoderLoad decoder)
    {
        foreach (var line in Waiting.Lines)
        {
            if (decoder.MayWorkOn(line.First!))
                return true;
        }
        return false;
    }

    /// <summary>The oldest of the groups at the heads of lines that a decoder has room for, and for how much of it.</summary>
    private (RolloutGroup? Group, int Samples) Oldest(DecoderLoad decoder)
    {
        var (oldest, samples) = ((RolloutGroup?)null, 0);
        foreach (var line in Waiting.Lines)
        {
            var head = line.First!;
            if ((oldest is null || head.Order < oldest.Order) && Room(head, decoder) is > 0 and var room)
                (oldest, samples) = (head, room);
        }
        return (oldest, samples);
    }

    /// <summary>
    /// Gives a group to where its siblings are, if it can run there at once; what was recalled from there for want of room
    /// would only go back. Else to the emptiest decoder that has room. False where none has.
    /// </summary>
    private bool Place(RolloutGroup group)
    {
        foreach (var holder in group.Holders)
        {
            if (holder.Groups.ContainsKey(group) && holder.Load.Waiting == 0
                && Room(group, holder, ahead: false) is > 0 and var most)
            {
                Assign(group, holder, most);
                return true;
            }
        }
        foreach (var decoder in ranking.EmptiestFirst)
        {
            if (Room(group, decoder) is > 0 and var most)
            {
                Assign(group, decoder, most);
                return true;
            }
        }
        return false;
    }

    /// <summary>
    /// How many of a group's waiting samples a decoder has room for: all of them or none; of a group that is larger than
    /// what any decoder takes, those that there is room for. An idle one takes any group, as far as it has places: its pool
    /// takes turns.
    /// </summary>
    private int Room(RolloutGroup group, DecoderLoad decoder, bool ahead = true)
    {
        if (!decoder.TakesWork || !decoder.MayWorkOn(group))
            return 0;
        var (request, capacity) = (group.Request!, decoder.Capacity);
        var (seqs, free) = policy.Most(capacity, ahead);
        seqs -= decoder.AssignedSeqs;
        free -= decoder.ReservedBlocks;
        var prompt = PlacementPolicy.PromptBlocks(request, capacity.BlockSize);
        var blocks = decoder.Groups.ContainsKey(group) ? 0L : prompt;
        var (fit, all) = (0, (long)prompt);
        foreach (var slot in group.Slots)
        {
            if (!slot.IsWaiting)
                continue;
            var own = policy.OwnBlocks(request, slot, capacity.BlockSize);
            (blocks, all) = (blocks + own, all + own);
            if (fit < seqs && blocks <= free)
                fit++;
        }
        if (fit == group.Waiting)
            return fit;
        var isTooLarge = group.IsSplit || group.Waiting > _mostSeqs || all * capacity.BlockSize > _mostTokens;
        return decoder.AssignedSeqs > 0 ? (isTooLarge ? fit : 0)
            : isTooLarge ? Math.Min(group.Waiting, seqs)
            : group.Waiting;
    }

    private void Assign(RolloutGroup group, DecoderLoad decoder, int most)
    {
        var (starts, bytes) = (new List<SampleStart>(), 0L);
        group.IsSplit |= most < group.Waiting;
        Placed(group, most);
        foreach (var slot in group.Slots)
        {
            if (!slot.IsWaiting)
                continue;
            if (most-- == 0)
                break;
            var start = slot.ToStart();
            var size = WireLimits.BytesOf(start);
            if (starts.Count > 0 && bytes + size > AssignedBytes)
                Send();
            bytes += size;
            starts.Add(start);
            Give(group, slot, decoder, _attempts + 1);
        }
        Send();
        ranking.Update(decoder);

        void Send()
        {
            decoder.Commands.Assign(++_attempts, group.Request!, [.. starts], group.Required);
            starts.Clear();
            bytes = 0;
        }
    }

    /// <summary>So many samples of a group wait no more.</summary>
    private void Placed(RolloutGroup group, int samples)
    {
        group.Waiting -= samples;
        if (group.Request is null)
            return;
        WaitingSequences -= samples;
        if (group.Waiting == 0)
            Waiting.Remove(group);
    }

    private void Give(RolloutGroup group, SampleSlot slot, DecoderLoad decoder, int attempt)
    {
        var blockSize = decoder.Capacity.BlockSize;
        slot.Assign(decoder, attempt, group.Request is { } own ? policy.OwnBlocks(own, slot, blockSize) : 0);
        decoder.Add(group, slot, group.Request is { } request ? PlacementPolicy.PromptBlocks(request, blockSize) : 0);
        if (group.HasBegun)
            return;
        group.HasBegun = true;
        begun(group);
    }
}
