using Akka.Event;
using Rollout.Host.Invocation;
using Xunit;

namespace Rollout.Host.Tests.Invocation;

public sealed class HostLogTests
{
    private const string LateHeartbeat =
        "WARNING Cluster Node [akka://x] - Scheduled sending of heartbeat was delayed. This may cause failure detection to mark"
        + " members as unreachable.";

    [Fact]
    public void A_process_alone_logs_no_late_heartbeats_and_a_member_of_a_cluster_does()
    {
        Assert.False(HostLog.IsShown(typeof(Akka.Cluster.Cluster), LateHeartbeat, isAlone: true));
        Assert.True(HostLog.IsShown(typeof(Akka.Cluster.Cluster), LateHeartbeat, isAlone: false));
    }

    [Fact]
    public void The_products_own_lines_are_always_shown() =>
        Assert.True(HostLog.IsShown(typeof(HostLog), "Disassociated; heartbeat was delayed", isAlone: true));

    [Fact]
    public void A_log_line_has_its_time_level_and_first_line()
    {
        var line = new Warning("source", typeof(HostLog), "first\nsecond");

        Assert.Matches("^[0-9:]{8} WARNING first$", HostLog.Format(line));
    }
}
