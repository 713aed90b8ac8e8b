using Akka.Actor;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Protocol;

/// <summary>The mailbox of the step barrier, which runs beside the trainer.</summary>
public interface IStepBarrierMessage;

/// <summary>
/// From a decoder, every few seconds: it takes part. Answered by <see cref="UpdateWeights"/>, unless the decoder holds the
/// current policy or a phase is under way that tells everybody.
/// </summary>
/// <param name="Id">The decoder's host and device.</param>
/// <param name="Incarnation">Grows with every restart of the decoder.</param>
/// <param name="Decoder">Where to send <see cref="Park"/> and <see cref="UpdateWeights"/>.</param>
/// <param name="SharesWeights">The decoder computes with the trainer's memory, and is parked while that changes.</param>
/// <param name="Holds">The policy that the decoder serves with; null while it serves nobody.</param>
public sealed record JoinBarrier(DecoderId Id, int Incarnation, IActorRef Decoder, bool SharesWeights, Policy? Holds)
    : IStepBarrierMessage, IWireMessage;

/// <summary>From a decoder's supervisor: this incarnation has ended.</summary>
public sealed record LeaveBarrier(DecoderId Id, int Incarnation) : IStepBarrierMessage, IWireMessage;

/// <summary>
/// From the trainer: park the decoders that share its memory until the next policy. Decoders with a copy go on.
/// Answered by <see cref="AllParked"/> or <see cref="BarrierFailed"/>.
/// </summary>
public sealed record ParkAll(Policy Next) : IStepBarrierMessage;

/// <summary>From a decoder: nothing runs on its device until this policy.</summary>
public sealed record Parked(DecoderId Id, Policy Until) : IStepBarrierMessage;

/// <summary>To the trainer, every few seconds while decoders park or update: the barrier waits for these.</summary>
public sealed record BarrierWaits(Policy Policy, DecoderId[] Missing);

/// <summary>To the trainer: every decoder that shares its memory is parked or gone.</summary>
public sealed record AllParked(Policy Next);

/// <summary>
/// From the trainer: the weights of this policy are published. Answered by <see cref="StepOpened"/> or
/// <see cref="BarrierFailed"/>.
/// </summary>
/// <param name="Policy">The new policy.</param>
/// <param name="Offer">Where decoders of other hosts fetch it; null if there can be none.</param>
public sealed record UpdateAll(Policy Policy, WeightOffer? Offer) : IStepBarrierMessage;

/// <summary>From a decoder: it serves with this policy, and its cache holds nothing of another.</summary>
/// <param name="Id">The decoder's host and device.</param>
/// <param name="Policy">The policy.</param>
/// <param name="Stats">What the decoder did since it took the policy before.</param>
public sealed record WeightsUpdated(DecoderId Id, Policy Policy, DecoderStats Stats) : IStepBarrierMessage, IWireMessage;

/// <summary>From a decoder: it could not fetch this policy and serves with what it has. It joins again and is told again.</summary>
public sealed record WeightsNotTaken(DecoderId Id, int Incarnation, Policy Policy, string Reason)
    : IStepBarrierMessage, IWireMessage;

/// <summary>To the trainer: every decoder that is waited for serves with this policy, or is gone.</summary>
/// <param name="Policy">The new policy.</param>
/// <param name="Stats">What those decoders did since the policy before, added up.</param>
public sealed record StepOpened(Policy Policy, DecoderStats Stats);

/// <summary>To the trainer: a deadline passed. The reason names the decoders that are missing.</summary>
public sealed record BarrierFailed(Policy Policy, string Reason);

/// <summary>
/// From the process's barrier proxy: the trainer whose weights to take. Null: nobody trains, and decoders serve with the
/// weights that they have.
/// </summary>
public sealed record TrainerIs(HostId? Trainer) : IDecoderMessage;
