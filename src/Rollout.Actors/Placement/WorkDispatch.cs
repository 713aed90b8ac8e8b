using Rollout.Actors.Protocol;

namespace Rollout.Actors.Placement;

/// <summary>
/// Hands waiting samples to decoders with room, those of a group together and the oldest group first, and moves what
/// waits on one decoder to another that has run dry. While something waits that nobody has room for, only a decoder
/// that changed is looked at.
/// </summary>
public sealed class WorkDispatch(PlacementPolicy policy, DecoderRanking ranking)
{
    /// <summary>Tokens of one assignment's samples at most, but for a single longer one: a message stays far below a frame.</summary>
    private const int AssignedTokens = 65_536;

    private readonly WorkQueue _queue = new();
    private int _attempts;
    private bool _isBlocked;        // for every group at the head of a line it is known that no decoder has room

    /// <summary>Nothing is given to anybody.</summary>
    public bool IsHeld { get; set; }

    /// <summary>Sequences in the queue.</summary>
    public int WaitingSequences { get; private set; }

    /// <summary>A submitted group's waiting samples want a decoder.</summary>
    public void Queue(RolloutGroup group)
    {
        if (group.Waiting == 0)
            return;
        WaitingSequences += group.Waiting;
        _queue.Add(group);
        if (!_isBlocked || _queue.First(group.Required) == group)
            PlaceAll();
    }

    /// <summary>So many samples of a group wait again. Placed with the next change.</summary>
    public void Requeue(RolloutGroup group, int samples)
    {
        group.Waiting += samples;
        if (group.Request is null)
            return;
        WaitingSequences += samples;
        _queue.Add(group);
        _isBlocked = false;
    }

    /// <summary>A decoder works on a waiting sample already.</summary>
    public void Take(RolloutGroup group, SampleSlot slot, DecoderLoad decoder, int attempt)
    {
        group.Waiting--;
        if (group.Request is not null)
        {
            WaitingSequences--;
            if (group.Waiting == 0)
                _queue.Remove(group);
        }
        Give(group, slot, decoder, attempt);
    }

    /// <summary>A group's waiting samples want no decoder any more.</summary>
    public void Remove(RolloutGroup group)
    {
        if (group.Request is null || group.Waiting == 0)
            return;
        WaitingSequences -= group.Waiting;
        _queue.Remove(group);
    }

    /// <summary>Gives waiting groups to decoders, the oldest to the emptiest.</summary>
    public void PlaceAll()
    {
        if (IsHeld || _queue.IsEmpty)
            return;
        foreach (var line in _queue.Lines)
        {
            while (_queue.First(line) is { } group && Choose(group) is { } decoder)
                Assign(group, decoder);
        }
        _isBlocked = !_queue.IsEmpty;
    }

    /// <summary>A decoder has changed, and may have room for what waits.</summary>
    public void Fill(DecoderLoad decoder)
    {
        if (!_isBlocked)
        {
            PlaceAll();
            return;
        }
        while (!IsHeld && decoder.TakesWork && Oldest(decoder) is { } group)
            Assign(group, decoder);
        _isBlocked = !_queue.IsEmpty;
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
            || _queue.First(null) is not null || _queue.First(dry.Here.Policy) is not null)
        {
            return;
        }
        foreach (var donor in ranking.MostWaitingFirst)
        {
            if (donor == dry || donor.IsRecallOut || !Recall(donor, dry, Math.Min(places, donor.Load.Waiting)))
                continue;
            donor.LastRecall = donor.Commands.Last;
            dry.FetchesFrom = donor;
            return;
        }
    }

    /// <summary>
    /// Where its siblings are, if they can run there at once; what was recalled from there for want of room would only go
    /// back. Else the emptiest decoder that has room.
    /// </summary>
    private DecoderLoad? Choose(RolloutGroup group) =>
        group.Holders.Find(decoder =>
            decoder.Groups.ContainsKey(group) && decoder.Load.Waiting == 0 && Fits(group, decoder, ahead: false))
        ?? ranking.EmptiestFirst.FirstOrDefault(decoder => Fits(group, decoder));

    /// <summary>The oldest group that this decoder may work on, if it has room for it.</summary>
    private RolloutGroup? Oldest(DecoderLoad decoder)
    {
        var (any, required) = (_queue.First(null), _queue.First(decoder.Here.Policy));
        var (first, second) = required is null || any?.Order < required.Order ? (any, required) : (required, any);
        return first is not null && Fits(first, decoder) ? first
            : second is not null && Fits(second, decoder) ? second
            : null;
    }

    private bool Fits(RolloutGroup group, DecoderLoad decoder, bool ahead = true)
    {
        if (!decoder.TakesWork || (group.Required is { } required && required != decoder.Here.Policy))
            return false;
        var (request, blockSize) = (group.Request!, decoder.Capacity.BlockSize);
        var blocks = decoder.Groups.ContainsKey(group) ? 0 : PlacementPolicy.PromptBlocks(request, blockSize);
        foreach (var slot in group.Slots)
            blocks += slot.IsWaiting ? policy.OwnBlocks(request, slot, blockSize) : 0;
        return policy.HasRoom(decoder, group.Waiting, blocks, ahead);
    }

    private void Assign(RolloutGroup group, DecoderLoad decoder)
    {
        WaitingSequences -= group.Waiting;
        _queue.Remove(group);
        group.Waiting = 0;
        var (starts, tokens) = (new List<SampleStart>(), 0);
        foreach (var slot in group.Slots)
        {
            if (!slot.IsWaiting)
                continue;
            if (starts.Count > 0 && tokens + slot.Count > AssignedTokens)
                Send();
            tokens += slot.Count;
            starts.Add(slot.ToStart());
            Give(group, slot, decoder, _attempts + 1);
        }
        Send();
        ranking.Update(decoder);

        void Send()
        {
            decoder.Commands.Assign(++_attempts, group.Request!, [.. starts], group.Required);
            starts.Clear();
            tokens = 0;
        }
    }

    private void Give(RolloutGroup group, SampleSlot slot, DecoderLoad decoder, int attempt)
    {
        var blockSize = decoder.Capacity.BlockSize;
        slot.Assign(decoder, attempt, group.Request is { } own ? policy.OwnBlocks(own, slot, blockSize) : 0);
        decoder.Add(group, slot, group.Request is { } request ? PlacementPolicy.PromptBlocks(request, blockSize) : 0);
    }

    private bool Recall(DecoderLoad donor, DecoderLoad dry, int most)
    {
        var (left, waiting) = (most, donor.Load.Waiting);
        foreach (var (group, share) in donor.Groups.OrderByDescending(entry => entry.Key.Order))
        {
            if (left == 0)
                break;
            if (group.Request is not { } request || (group.Required is { } policyOf && policyOf != dry.Here.Policy))
                continue;
            var idle = group.Slots.Where(slot => slot.Decoder == donor && slot.Count == 0).Take(left + 1).ToList();
            waiting -= idle.Count;
            var whole = idle.Count == share.Seqs && idle.Count <= left;
            if (idle.Count > left)
                idle.RemoveAt(left);
            if (idle.Count == 0 || !(whole || policy.PaysToSplit(request, idle)))
                continue;
            donor.Commands.Recall(group.Id, [.. idle.Select(slot => slot.Sample)], runningToo: false);
            left -= idle.Count;
        }
        return left < most || (waiting > 0 && RecallPreempted(donor, dry, most));
    }

    /// <summary>What waits has begun before: the pool preempts the youngest, and they are computed again anywhere.</summary>
    private static bool RecallPreempted(DecoderLoad donor, DecoderLoad dry, int most)
    {
        var youngest = donor.Groups.Keys
            .Where(group => group.Request is not null && (group.Required ?? dry.Here.Policy) == dry.Here.Policy)
            .MaxBy(group => group.Order);
        if (youngest is null)
            return false;
        var begun = youngest.Slots.Where(slot => slot.Decoder == donor).Reverse().Take(most);
        donor.Commands.Recall(youngest.Id, [.. begun.Select(slot => slot.Sample)], runningToo: false);
        return true;
    }
}
