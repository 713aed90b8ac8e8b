using Akka.Actor;
using Rollout.Actors.Protocol.Wire;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Protocol;

/// <summary>The mailbox of the step barrier, which runs beside the trainer.</summary>
public interface IStepBarrierMessage;

/// <summary>
/// From a decoder, every few seconds: count me in. Answered by <see cref="UpdateWeights"/>, unless it holds the current
/// policy already or is told with everybody else.
/// </summary>
/// <param name="Id">Its host and device.</param>
/// <param name="Incarnation">Grows with every restart of the decoder.</param>
/// <param name="Decoder">Where to send <see cref="Park"/> and <see cref="UpdateWeights"/>.</param>
/// <param name="SharesWeights">It computes with the trainer's own memory, and must be parked while that changes.</param>
/// <param name="Holds">The policy that it decodes with; null while it has none to be trusted.</param>
public sealed record JoinBarrier(DecoderId Id, int Incarnation, IActorRef Decoder, bool SharesWeights, Policy? Holds)
    : IStepBarrierMessage, IWireMessage;

/// <summary>From a decoder's supervisor: don't wait for this one.</summary>
public sealed record LeaveBarrier(DecoderId Id, int Incarnation) : IStepBarrierMessage, IWireMessage;

/// <summary>
/// From the trainer: nobody may use the weights in its memory until the next policy. Decoders that have a copy go on.
/// Answered by <see cref="AllParked"/> or <see cref="BarrierFailed"/>.
/// </summary>
public sealed record ParkAll(Policy Next) : IStepBarrierMessage;

/// <summary>From a decoder: nothing runs on this device.</summary>
public sealed record Parked(DecoderId Id, Policy Until) : IStepBarrierMessage;

/// <summary>To the trainer, every few seconds of a phase: the phase still waits for these.</summary>
public sealed record BarrierWaits(Policy Policy, DecoderId[] Missing);

/// <summary>Every participant that shares the trainer's memory is parked, or gone.</summary>
public sealed record AllParked(Policy Next);

/// <summary>From the trainer: the weights of this policy are published. Answered by <see cref="StepOpened"/> or <see cref="BarrierFailed"/>.</summary>
/// <param name="Policy">The new one.</param>
/// <param name="Offer">Where those who don't share memory fetch it; null where there are none.</param>
public sealed record UpdateAll(Policy Policy, WeightOffer? Offer) : IStepBarrierMessage;

/// <summary>From a decoder: it runs this policy and can hit no block of another.</summary>
/// <param name="Id">Its host and device.</param>
/// <param name="Policy">What it runs.</param>
/// <param name="Stats">Its counts since it took the policy before.</param>
public sealed record WeightsUpdated(DecoderId Id, Policy Policy, DecoderStats Stats) : IStepBarrierMessage, IWireMessage;

/// <summary>From a decoder: it could not get this policy and goes on with what it has. Nobody waits for it; it joins again.</summary>
public sealed record WeightsNotTaken(DecoderId Id, int Incarnation, Policy Policy, string Reason)
    : IStepBarrierMessage, IWireMessage;

/// <summary>Every participant decodes with this policy, or is gone.</summary>
/// <param name="Policy">The new one.</param>
/// <param name="Stats">Their counts since the policy before, added up.</param>
public sealed record StepOpened(Policy Policy, DecoderStats Stats);

/// <summary>The deadline passed; the text names who is missing.</summary>
public sealed record BarrierFailed(Policy Policy, string Reason);

/// <summary>
/// From the decoder host's barrier proxy: whose weights to take. Null: no trainer is there, and what a decoder has is
/// what it serves.
/// </summary>
public sealed record TrainerIs(HostId? Trainer) : IDecoderMessage;
