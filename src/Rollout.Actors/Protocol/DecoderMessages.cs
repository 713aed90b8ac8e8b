using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Protocol;

/// <summary>The mailbox of a decoder: one per device.</summary>
public interface IDecoderMessage;

/// <summary>One decoder of the cluster: its host and its device.</summary>
public readonly record struct DecoderId(HostId Host, string Device)
{
    public override string ToString() => $"decoder {Device} of {Host}";
}

/// <summary>The state from which a decoder starts one sample: it continues after these tokens, with the same randomness.</summary>
/// <param name="Sample">Its number in the group.</param>
/// <param name="Sampled">What other decoders have sampled of it; none for a new one.</param>
public sealed record SampleStart(int Sample, SampledTokens Sampled)
{
    /// <summary>A sample without tokens.</summary>
    public static SampleStart New(int sample) => new(sample, SampledTokens.Empty);
}

/// <summary>
/// From the scheduler, as the answer to <see cref="DecoderHere"/>: the first one of a higher epoch makes the decoder
/// report to its sender, from the beginning, everything that it holds.
/// </summary>
/// <param name="Epoch">The scheduler's epoch.</param>
/// <param name="ReportEvery">Time between two reports while nothing finishes.</param>
public sealed record SchedulerHere(SchedulerEpoch Epoch, TimeSpan ReportEvery) : IDecoderMessage, IWireMessage;

/// <summary>
/// From the scheduler. The commands of an epoch to one incarnation are numbered from 1 and carried out in that order,
/// each once; those that a report doesn't acknowledge are sent again. A decoder ignores
/// commands of every epoch but the one that it follows.
/// </summary>
public abstract record SchedulerCommand(SchedulerEpoch Epoch, long Number) : IDecoderMessage;

/// <summary>Work on these samples. Their progress comes in <see cref="DecoderReport"/>s under the same assignment.</summary>
/// <param name="Epoch">The scheduler's epoch.</param>
/// <param name="Number">The number of this command.</param>
/// <param name="Assignment">Names this one: a sample may be assigned to a decoder more than once.</param>
/// <param name="Group">All of the group.</param>
/// <param name="Samples">Those of its samples that are assigned, with what they have sampled elsewhere.</param>
/// <param name="RequiredPolicy">
/// The only weights that they may be sampled with, null for any: a decoder that holds or takes other weights hands the
/// samples back with their tokens.
/// </param>
public sealed record AssignSamples(
    SchedulerEpoch Epoch, long Number, AssignmentId Assignment, GroupRequest Group, SampleStart[] Samples, Policy? RequiredPolicy = null)
    : SchedulerCommand(Epoch, Number), IWireMessage;

/// <summary>
/// Hand samples back, so that another decoder continues them: the next report has them as
/// <see cref="SampleProgress.HandedBack"/>. It leaves out those that are unknown or finished.
/// </summary>
/// <param name="Epoch">The scheduler's epoch.</param>
/// <param name="Number">The number of this command.</param>
/// <param name="Id">The group.</param>
/// <param name="Samples">Which of its samples.</param>
/// <param name="RunningToo">Also those that hold blocks; else only those that wait.</param>
public sealed record RecallSamples(SchedulerEpoch Epoch, long Number, GroupId Id, int[] Samples, bool RunningToo)
    : SchedulerCommand(Epoch, Number), IWireMessage;

/// <summary>These groups are over: delivered, failed or cancelled. The decoder drops their samples.</summary>
public sealed record ForgetGroups(SchedulerEpoch Epoch, long Number, GroupId[] Groups)
    : SchedulerCommand(Epoch, Number), IWireMessage;

/// <summary>From the scheduler: this report arrived, and the decoder may send the next one.</summary>
public sealed record ReportTaken(SchedulerEpoch Epoch, long Number) : IDecoderMessage, IWireMessage;

/// <summary>
/// From the scheduler, as the answer to <see cref="DecoderHere"/>: this decoder can't join, with the reason as a
/// sentence. The decoder publishes it on its actor system's event stream, unless it follows a later scheduler.
/// </summary>
public sealed record DecoderRefused(SchedulerEpoch Epoch, DecoderId Id, string Reason) : IDecoderMessage, IWireMessage;

/// <summary>
/// From the decoder's own host, which is about to leave: hand every unfinished sample back. Answered by
/// <see cref="Drained"/> once the scheduler has them.
/// </summary>
public sealed record Drain : IDecoderMessage;

/// <summary>Nothing is lost when this decoder's host leaves.</summary>
/// <param name="Id">The decoder.</param>
/// <param name="HandedBack">Unfinished samples that go on elsewhere.</param>
public sealed record Drained(DecoderId Id, int HandedBack);

/// <summary>From the step barrier to a decoder that shares the trainer's weights: start no further step. Answered by <see cref="Parked"/>.</summary>
public sealed record Park(Policy Until) : IDecoderMessage;

/// <summary>
/// From the step barrier: take this policy, between two steps. Answered by <see cref="WeightsUpdated"/>, again each time
/// it is told, or by <see cref="WeightsNotTaken"/>.
/// </summary>
/// <param name="Trainer">The trainer whose barrier sends this. A decoder ignores every process but the cluster's present trainer.</param>
/// <param name="Policy">The policy.</param>
/// <param name="Offer">Where it can be fetched; null for those that share the trainer's memory.</param>
public sealed record UpdateWeights(HostId Trainer, Policy Policy, WeightOffer? Offer) : IDecoderMessage, IWireMessage;

/// <summary>From tools: counts since the decoder started or was last asked with reset. Answered by <see cref="DecoderStats"/>.</summary>
public sealed record QueryDecoderStats(bool Reset) : IDecoderMessage, IWireMessage;
