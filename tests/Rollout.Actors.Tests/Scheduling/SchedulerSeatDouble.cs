using Akka.Actor;

namespace Rollout.Actors.Tests.Scheduling;

/// <summary>Leads to the scheduler of the time, as the singleton's proxy does.</summary>
internal sealed class SchedulerSeatDouble : ReceiveActor
{
    public SchedulerSeatDouble(IActorRef scheduler)
    {
        Receive<Taken>(taken => scheduler = taken.By);
        ReceiveAny(message => scheduler.Forward(message));
    }

    /// <summary>Another one is the scheduler now.</summary>
    public sealed record Taken(IActorRef By);
}
