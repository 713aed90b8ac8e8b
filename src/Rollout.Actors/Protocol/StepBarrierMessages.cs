using Akka.Actor;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Protocol;

/// <summary>The mailbox of the step barrier.</summary>
public interface IStepBarrierMessage;

/// <summary>From a decoder that started: count me in. Answered by <see cref="UpdateWeights"/> with the current version.</summary>
public sealed record JoinBarrier(DecoderId Id, int Incarnation, IActorRef Decoder) : IStepBarrierMessage;

/// <summary>From a decoder's supervisor or from membership: don't wait for this one.</summary>
public sealed record LeaveBarrier(DecoderId Id, int Incarnation) : IStepBarrierMessage;

/// <summary>From membership: no decoder of this host is waited for any more.</summary>
public sealed record HostLost(HostId Host) : IStepBarrierMessage, ISchedulerMessage;

/// <summary>From the trainer: nobody may use the weights until the next version. Answered by <see cref="AllParked"/> or <see cref="BarrierFailed"/>.</summary>
public sealed record ParkAll(PolicyVersion Next) : IStepBarrierMessage;

/// <summary>From a decoder: nothing runs on this device.</summary>
public sealed record Parked(DecoderId Id, PolicyVersion Until, DecoderStats Stats) : IStepBarrierMessage;

/// <summary>Every participant is parked, or gone.</summary>
/// <param name="Next">The version they wait for.</param>
/// <param name="Stats">Their counts since the last barrier, added up.</param>
public sealed record AllParked(PolicyVersion Next, DecoderStats Stats);

/// <summary>From the trainer: the weights of this version are published. Answered by <see cref="StepOpened"/> or <see cref="BarrierFailed"/>.</summary>
public sealed record UpdateAll(PolicyVersion Version) : IStepBarrierMessage;

/// <summary>From a decoder: it runs this version and can hit no block of an older one.</summary>
public sealed record WeightsUpdated(DecoderId Id, PolicyVersion Version) : IStepBarrierMessage;

/// <summary>Every participant decodes with this version, or is gone.</summary>
public sealed record StepOpened(PolicyVersion Version);

/// <summary>The deadline passed; the text names who is missing.</summary>
public sealed record BarrierFailed(PolicyVersion Version, string Reason);
