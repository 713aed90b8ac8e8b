using Rollout.Actors.Protocol;

namespace Rollout.Actors.Placement;

// What changes the queue besides new groups: decoders come and go, samples wait again, and groups end before they run.
public sealed partial class WorkDispatch
{
    /// <summary>Measures the decoders after some came or went: groups may have room elsewhere, and wait in other lines.</summary>
    public void MeasureDecoders(IEnumerable<KnownDecoder> decoders)
    {
        room.MeasureLargest(decoders);
        Waiting.Reline(decoders.Select(decoder => decoder.Capacity.Reach));
        _isBlocked = false;
    }

    /// <summary>Queues samples of a group that wait again. They are placed with the next change.</summary>
    public void Requeue(RolloutGroup group, int samples)
    {
        group.Waiting += samples;
        if (group.Request is null)
            return;
        WaitingSequences += samples;
        Waiting.Add(group);
        _isBlocked = false;
    }

    /// <summary>Books a waiting sample that a decoder works on already.</summary>
    public void AssignToHolder(RolloutGroup group, SampleSlot slot, KnownDecoder decoder, AssignmentId assignment)
    {
        CountPlaced(group, 1);
        Give(group, slot, decoder, assignment);
        begun(group);
    }

    /// <summary>Removes a group's waiting samples from the queue.</summary>
    public void Dequeue(RolloutGroup group)
    {
        if (group.Request is null || group.Waiting == 0)
            return;
        WaitingSequences -= group.Waiting;
        _isBlocked &= group.Line!.First != group;
        Waiting.Remove(group);
    }
}
