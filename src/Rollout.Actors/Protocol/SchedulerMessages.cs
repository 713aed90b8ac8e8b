using Akka.Actor;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Protocol;

/// <summary>From whoever wants to know whether the scheduler is there. Answered by <see cref="SchedulerReport"/>.</summary>
public sealed record QueryScheduler : ISchedulerMessage;

/// <summary>Decoders that take groups, and groups on their way.</summary>
public sealed record SchedulerReport(int Decoders, int Groups);

/// <summary>From a decoder that holds the current weights and wants work, every few seconds. An earlier incarnation's groups are assigned anew.</summary>
/// <param name="Id">The device.</param>
/// <param name="Incarnation">Grows with every restart: messages of earlier ones mean nothing.</param>
/// <param name="Decoder">Where to send <see cref="AssignGroup"/>.</param>
/// <param name="MaxNumSeqs">Sequences that it can run at once.</param>
public sealed record DecoderReady(DecoderId Id, int Incarnation, IActorRef Decoder, int MaxNumSeqs)
    : ISchedulerMessage;

/// <summary>From a decoder: all samples of a group.</summary>
public sealed record GroupDecoded(DecoderId Decoder, GroupId Id, int Attempt, Completion[] Completions)
    : ISchedulerMessage;

/// <summary>From a decoder: this group can't be finished there or anywhere.</summary>
public sealed record GroupRejected(DecoderId Decoder, GroupId Id, int Attempt, string Reason) : ISchedulerMessage;

/// <summary>From a decoder's supervisor or from membership: its unfinished groups must go elsewhere.</summary>
/// <param name="Id">The device.</param>
/// <param name="Incarnation">The one that is gone.</param>
/// <param name="Reason">Why, for the groups that nobody can take.</param>
/// <param name="ComesBack">A next incarnation is being started.</param>
public sealed record DecoderLost(DecoderId Id, int Incarnation, string Reason, bool ComesBack) : ISchedulerMessage;
