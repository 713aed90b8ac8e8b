using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Placement;

/// <summary>
/// What decoders report of samples, as far as it is theirs to say: of the assignment at hand, and, until they are
/// settled, what they began for an earlier scheduler.
/// </summary>
public sealed class SampleIntake(PlacementPolicy policy, WorkDispatch work, GroupRegister groups)
{
    /// <summary>A decoder works on a sample of the group under this attempt.</summary>
    public static bool IsAt(RolloutGroup group, DecoderLoad decoder, int attempt) =>
        group.Slots.Any(slot => slot.Decoder == decoder && slot.Attempt == attempt);

    /// <summary>Takes news of a sample. True when that finished it.</summary>
    public bool Take(DecoderLoad decoder, RolloutGroup group, SampleProgress progress)
    {
        if (group.Outcome is not null || (group.Request is not null && progress.Sample >= group.Slots.Count))
        {
            group.HeldBy(decoder);
            return false;
        }
        var slot = group.Slot(progress.Sample);
        var isTheirs = slot.Decoder == decoder && slot.Attempt == progress.Attempt;
        if (!isTheirs && (decoder.IsSettled || !TakeOver(decoder, group, slot, progress)))
            return false;
        var before = slot.Count;
        if (!slot.Append(progress))
        {
            // A hole: never by the protocol. Whoever goes on with it starts where our knowledge ends.
            decoder.Commands.Recall(group.Id, [slot.Sample], runningToo: true);
            Return(decoder, group, slot);
            return false;
        }
        if (slot.Count > before)
            groups.NoteProgress(group);
        if (progress.Finished is { } reason)
            Finish(decoder, group, slot, reason);
        else if (progress.HandedBack)
            Return(decoder, group, slot);
        return slot.IsFinished;
    }

    /// <summary>A decoder worked for the scheduler before this one: what it has need not be computed again.</summary>
    private bool TakeOver(DecoderLoad decoder, RolloutGroup group, SampleSlot slot, SampleProgress progress)
    {
        group.HeldBy(decoder);
        if (slot.IsFinished)
            return false;
        if (!slot.IsWaiting || progress.Start != 0)
        {
            decoder.Commands.Recall(group.Id, [slot.Sample], runningToo: true);
            return false;
        }
        slot.Clear();
        work.AssignToHolder(group, slot, decoder, progress.Attempt);
        return true;
    }

    private void Finish(DecoderLoad decoder, RolloutGroup group, SampleSlot slot, FinishReason reason)
    {
        decoder.Remove(group, slot);
        slot.Finish(reason);
        group.Unfinished--;
        if (group.Request is { } request)
            policy.LearnLength(slot.Count, request.Samples[slot.Sample].MaxTokens);
    }

    private void Return(DecoderLoad decoder, RolloutGroup group, SampleSlot slot)
    {
        decoder.Remove(group, slot);
        slot.Release();
        work.Requeue(group, 1);
    }
}
