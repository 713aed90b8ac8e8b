using System.Runtime.CompilerServices;
using Akka.Actor;
using Akka.Cluster;
using Rollout.Actors.Protocol;

namespace Rollout.Actors.Scheduling;

/// <summary>
/// Numbers the schedulers of a cluster. The scheduler runs on the oldest member of its role, so each process that it
/// moves to joined after the one before: the order of joining, and within a process the number of the start, is an
/// order of all schedulers.
/// </summary>
public sealed class SchedulerEpochs(ActorSystem system)
{
    private const int StartsOfProcess = 1 << 20;

    private int _starts;

    /// <summary>A number higher than that of every scheduler before.</summary>
    public SchedulerEpoch Next()
    {
        var joined = UpNumber(Cluster.Get(system).SelfMember);
        return new SchedulerEpoch((long)joined * StartsOfProcess + Interlocked.Increment(ref _starts));
    }

    /// <summary>The member's place in the order of joining, which Akka compares by and does not show.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_UpNumber")]
    private static extern int UpNumber(Member member);
}
