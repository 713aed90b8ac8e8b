using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Protocol;

/// <summary>The mailbox of a decoder: one per device.</summary>
public interface IDecoderMessage;

/// <summary>One decoder of the cluster: its host and its device.</summary>
public readonly record struct DecoderId(HostId Host, string Device)
{
    public override string ToString() => $"decoder {Device} of {Host}";
}

/// <summary>Where a decoder starts one sample of a group: after these tokens, with the same randomness.</summary>
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
/// <param name="Epoch">The scheduler's.</param>
/// <param name="ReportEvery">Time between two reports while nothing finishes.</param>
public sealed record SchedulerHere(SchedulerEpoch Epoch, TimeSpan ReportEvery) : IDecoderMessage, IWireMessage;

/// <summary>
/// From the scheduler. The commands of an epoch to one incarnation are numbered from 1 and carried out in that order,
/// each once; those that a report doesn't acknowledge are sent again. Commands of another epoch than the decoder
/// follows mean nothing.
/// </summary>
public abstract record SchedulerCommand(SchedulerEpoch Epoch, long Number) : IDecoderMessage;

/// <summary>Work on these samples. Their progress comes in <see cref="DecoderReport"/>s under the same assignment.</summary>
/// <param name="Epoch">The scheduler's.</param>
/// <param name="Number">The command's.</param>
/// <param name="Assignment">Names this one: a sample may be assigned to a decoder more than once.</param>
/// <param name="Group">All of the group.</param>
/// <param name="Samples">Those of its samples that are assigned, with what they have sampled elsewhere.</param>
/// <param name="RequiredPolicy">
/// The only weights that they may be sampled with, null for any: a decoder that holds others, or takes others, hands them
/// back with the tokens that they have.
/// </param>
public sealed record AssignSamples(
    SchedulerEpoch Epoch, long Number, AssignmentId Assignment, GroupRequest Group, SampleStart[] Samples, Policy? RequiredPolicy = null)
    : SchedulerCommand(Epoch, Number), IWireMessage;

/// <summary>
/// Give samples back, so that another decoder goes on with them: the next report has them as
/// <see cref="SampleProgress.HandedBack"/>. Those that aren't here, or have finished, are not mentioned.
/// </summary>
/// <param name="Epoch">The scheduler's.</param>
/// <param name="Number">The command's.</param>
/// <param name="Id">The group.</param>
/// <param name="Samples">Which of its samples.</param>
/// <param name="RunningToo">Also those that hold blocks; else only those that wait.</param>
public sealed record RecallSamples(SchedulerEpoch Epoch, long Number, GroupId Id, int[] Samples, bool RunningToo)
    : SchedulerCommand(Epoch, Number), IWireMessage;

/// <summary>These groups are over: delivered, failed or cancelled. Nothing of them is worked on or kept any more.</summary>
public sealed record ForgetGroups(SchedulerEpoch Epoch, long Number, GroupId[] Groups)
    : SchedulerCommand(Epoch, Number), IWireMessage;

/// <summary>From the scheduler: everything in this report is known; the next one may come.</summary>
public sealed record ReportTaken(SchedulerEpoch Epoch, long Number) : IDecoderMessage, IWireMessage;

/// <summary>
/// From the scheduler, as the answer to <see cref="DecoderHere"/>: this decoder can't work here, and why in a sentence.
/// The decoder publishes it on its actor system's event stream, unless it follows a later scheduler.
/// </summary>
public sealed record DecoderRefused(SchedulerEpoch Epoch, DecoderId Id, string Reason) : IDecoderMessage, IWireMessage;

/// <summary>
/// From the decoder's own host, which is about to leave: hand every unfinished sample back. Answered by
/// <see cref="Drained"/> when the scheduler has them.
/// </summary>
public sealed record Drain : IDecoderMessage;

/// <summary>Nothing is lost when this decoder's host leaves.</summary>
/// <param name="Id">The decoder.</param>
/// <param name="HandedBack">Unfinished samples that go on elsewhere.</param>
public sealed record Drained(DecoderId Id, int HandedBack);

/// <summary>From the step barrier to one that shares the trainer's weights: start nothing more. Answered by <see cref="Parked"/>.</summary>
public sealed record Park(Policy Until) : IDecoderMessage;

/// <summary>
/// From the step barrier: take this policy, between two steps. Answered by <see cref="WeightsUpdated"/>, again each time
/// it is told, or by <see cref="WeightsNotTaken"/>.
/// </summary>
/// <param name="Trainer">Whose barrier says so: one that is not the cluster's trainer, or is so no longer, is not heard.</param>
/// <param name="Policy">The policy.</param>
/// <param name="Offer">Where it can be fetched; null for those that share the trainer's memory.</param>
public sealed record UpdateWeights(HostId Trainer, Policy Policy, WeightOffer? Offer) : IDecoderMessage, IWireMessage;

/// <summary>From tools: counts since the decoder started or was last asked with reset. Answered by <see cref="DecoderStats"/>.</summary>
public sealed record QueryDecoderStats(bool Reset) : IDecoderMessage, IWireMessage;
