using Rollout.Actors.Protocol;

namespace Rollout.Actors.Placement;

/// <summary>
/// Hands waiting samples to decoders with room, those of a group together and the oldest group first. While something
/// waits that nobody has room for, only a decoder that changed is looked at. WorkDispatch.Changes.cs has what changes the queue
/// otherwise.
/// </summary>
/// <param name="room">Estimates the room of decoders.</param>
/// <param name="ranking">The decoders.</param>
/// <param name="begun">Told of a group that is given to a decoder.</param>
public sealed partial class WorkDispatch(RoomEstimate room, DecoderRanking ranking, Action<RolloutGroup> begun)
{
    /// <summary>
    /// The most bytes of one assignment's samples, unless a single one is longer: a message stays far below a frame.
    /// </summary>
    private const int AssignedBytes = 512 * 1024;

    private readonly List<WorkLine> _stuck = [];        // while groups are placed: nobody has room for their oldest
    private int _assignments;
    private bool _isBlocked;        // for every group at the head of a line it is known that no decoder has room

    /// <summary>No decoder is given anything.</summary>
    public bool IsPaused { get; set; }

    /// <summary>Samples that no decoder has.</summary>
    public int WaitingSequences { get; private set; }

    /// <summary>Groups with samples in the queue.</summary>
    public WorkQueue Waiting { get; } = new();

    /// <summary>Queues a submitted group's waiting samples, and places them where a decoder has room.</summary>
    public void Enqueue(RolloutGroup group)
    {
        if (group.Waiting == 0)
            return;
        WaitingSequences += group.Waiting;
        Waiting.Add(group);
        if (!_isBlocked || group.Line!.First == group)
            PlaceAll();
    }

    /// <summary>Gives waiting groups to decoders, the oldest to the emptiest.</summary>
    public void PlaceAll()
    {
        if (IsPaused || Waiting.IsEmpty)
            return;
        _stuck.Clear();
        while (Waiting.Oldest(except: _stuck) is { } line)
        {
            if (!PlaceGroup(line.First!))
                _stuck.Add(line);
        }
        _isBlocked = !Waiting.IsEmpty;
    }

    /// <summary>Gives waiting groups to a decoder that has changed, as far as it has room.</summary>
    public void FillDecoder(KnownDecoder decoder)
    {
        if (!_isBlocked)
        {
            PlaceAll();
            return;
        }
        if (IsPaused)
            return;
        while (OldestFor(decoder) is ({ } group, var samples))
            Assign(group, decoder, samples);
        _isBlocked = !Waiting.IsEmpty;
    }

    /// <summary>The oldest of the groups at the heads of lines that a decoder has room for, and for how much of it.</summary>
    private (RolloutGroup? Group, int Samples) OldestFor(KnownDecoder decoder)
    {
        var (oldest, samples) = ((RolloutGroup?)null, 0);
        foreach (var line in Waiting.Lines)
        {
            var head = line.First!;
            if ((oldest is null || head.Arrival < oldest.Arrival) && room.RoomFor(head, decoder) is > 0 and var free)
                (oldest, samples) = (head, free);
        }
        return (oldest, samples);
    }

    /// <summary>
    /// Gives a group to a decoder that has samples of it, if it can run there at once: samples that were recalled for want of
    /// room would otherwise go back. Else gives it to the emptiest decoder with room. False if none has room.
    /// </summary>
    private bool PlaceGroup(RolloutGroup group)
    {
        foreach (var holder in group.Holders)
        {
            if (holder.Groups.ContainsKey(group) && holder.Load.Waiting == 0
                && room.RoomFor(group, holder, ahead: false) is > 0 and var most)
            {
                Assign(group, holder, most);
                return true;
            }
        }
        foreach (var decoder in ranking.EmptiestFirst)
        {
            if (room.RoomFor(group, decoder) is > 0 and var most)
            {
                Assign(group, decoder, most);
                return true;
            }
        }
        return false;
    }

    private void Assign(RolloutGroup group, KnownDecoder decoder, int most)
    {
        var (starts, bytes) = (new List<SampleStart>(), 0L);
        group.IsSplit |= most < group.Waiting;
        CountPlaced(group, most);
        foreach (var slot in group.Slots)
        {
            if (!slot.IsWaiting)
                continue;
            if (most-- == 0)
                break;
            var start = slot.ToStart();
            var size = WireLimits.BytesOf(start);
            if (starts.Count > 0 && bytes + size > AssignedBytes)
                EnqueueAssignment();
            bytes += size;
            starts.Add(start);
            Give(group, slot, decoder, new AssignmentId(_assignments + 1));
        }
        EnqueueAssignment();
        ranking.Update(decoder);
        begun(group);

        void EnqueueAssignment()
        {
            decoder.Commands.Assign(new AssignmentId(++_assignments), group.Request!, [.. starts], group.RequiredPolicy);
            starts.Clear();
            bytes = 0;
        }
    }

    /// <summary>Counts samples of a group as no longer waiting.</summary>
    private void CountPlaced(RolloutGroup group, int samples)
    {
        group.Waiting -= samples;
        if (group.Request is null)
            return;
        WaitingSequences -= samples;
        if (group.Waiting == 0)
            Waiting.Remove(group);
    }

    private void Give(RolloutGroup group, SampleSlot slot, KnownDecoder decoder, AssignmentId assignment)
    {
        var blockSize = decoder.Capacity.BlockSize;
        slot.Assign(decoder, assignment, group.Request is { } own ? room.OwnBlocks(own, slot, blockSize) : 0);
        decoder.Add(group, slot, group.Request is { } request ? RoomEstimate.PromptBlocks(request, blockSize) : 0);
    }
}
