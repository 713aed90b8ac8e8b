using Akka.Actor;

namespace Rollout.Actors.Topology;

/// <summary>
/// The cluster's singleton: the scheduler and the watch that tells it which processes are there, from the moment it
/// takes over. Both go with the seat.
/// </summary>
public sealed class SchedulerSeat : ReceiveActor
{
    public SchedulerSeat(Props scheduler)
    {
        var child = Context.ActorOf(scheduler, "actor");
        Context.ActorOf(MembershipWatch.Props(child), "membership");
        ReceiveAny(child.Forward);
    }

    /// <param name="scheduler">The scheduler's own.</param>
    public static Props Props(Props scheduler) => Akka.Actor.Props.Create(() => new SchedulerSeat(scheduler));
}
