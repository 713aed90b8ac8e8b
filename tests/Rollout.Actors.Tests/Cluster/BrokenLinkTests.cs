using Rollout.Actors.Settings;
using Rollout.Actors.Topology;
using Xunit;

namespace Rollout.Actors.Tests.Cluster;

/// <summary>
/// One broken link in a real cluster, both ways and one way. The simulated clusters of Topology/Downing break all links.
/// </summary>
[Collection(ClusterCollection.Name)]
public sealed class BrokenLinkTests : IAsyncLifetime
{
    /// <summary>Each member sends over connections that it opened itself, so that one direction can be cut alone.</summary>
    private const string OneWay =
        """
        akka.remote.use-passive-connections = off
        akka.cluster.split-brain-resolver.stable-after = 3s

        """;

    private readonly InProcessCluster _cluster = new(CuttableTransport.Akka + OneWay);
    private readonly LineTape _tape = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _cluster.DisposeAsync();

    [Theory]
    [InlineData(ClusterRoles.Decoder, true, true)]
    [InlineData(ClusterRoles.Decoder, true, false)]
    [InlineData(ClusterRoles.Client, true, true)]
    [InlineData(ClusterRoles.Client, true, false)]
    [InlineData(ClusterRoles.Client, false, true)]
    public async Task Whom_the_scheduler_can_not_reach_goes_and_decoders_need_not_reach_each_other(
        string role, bool toMember, bool toScheduler)
    {
        var scheduler = await _cluster.StartAsync(_tape.Say, ClusterRoles.Scheduler);
        var (decoder, other) = (await _cluster.StartAsync(ClusterRoles.Decoder), await _cluster.StartAsync(ClusterRoles.Decoder));
        var lost = await _cluster.StartAsync(role);
        await _tape.WaitForAsync("4 members");

        await CuttableTransport.CutAsync([decoder], [other]);
        await CutAsync(scheduler, lost, toMember, toScheduler);

        await AssertGoesAloneAsync(lost, scheduler, decoder, other);
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    public async Task Of_two_schedulers_that_can_not_reach_each_other_the_younger_goes(bool toYounger, bool toOlder)
    {
        var oldest = await _cluster.StartAsync(_tape.Say, ClusterRoles.Scheduler);
        var younger = await _cluster.StartAsync(ClusterRoles.Scheduler);
        var third = await _cluster.StartAsync(ClusterRoles.Scheduler);
        var decoder = await _cluster.StartAsync(ClusterRoles.Decoder);
        await _tape.WaitForAsync("4 members");

        await CutAsync(oldest, younger, toYounger, toOlder);

        await AssertGoesAloneAsync(younger, oldest, third, decoder);
    }

    [Theory]
    [InlineData(ClusterRoles.Decoder, true, true)]
    [InlineData(ClusterRoles.Client, true, true)]
    [InlineData(ClusterRoles.Client, true, false)]
    [InlineData(ClusterRoles.Client, false, true)]
    public async Task A_member_that_one_of_three_schedulers_can_not_reach_goes_and_costs_nobody_else_anything(
        string role, bool toMember, bool toScheduler)
    {
        var oldest = await _cluster.StartAsync(_tape.Say, ClusterRoles.Scheduler);
        var (next, third) = (await _cluster.StartAsync(ClusterRoles.Scheduler), await _cluster.StartAsync(ClusterRoles.Scheduler));
        var lost = await _cluster.StartAsync(role);
        await _tape.WaitForAsync("4 members");

        await CutAsync(third, lost, toMember, toScheduler);

        await AssertGoesAloneAsync(lost, oldest, next, third);
    }

    private static async Task CutAsync(RolloutTopology from, RolloutTopology to, bool there, bool back)
    {
        if (there)
            await CuttableTransport.CutOneWayAsync(from, to);
        if (back)
            await CuttableTransport.CutOneWayAsync(to, from);
    }

    /// <summary>The others go on as one cluster: somebody new can join, which needs all of them to agree.</summary>
    private async Task AssertGoesAloneAsync(RolloutTopology lost, params RolloutTopology[] others)
    {
        await lost.System.WhenTerminated.WaitAsync(TimeSpan.FromSeconds(60));
        Assert.StartsWith($"the cluster gave up {lost.Address}", lost.WhyEnded(), StringComparison.Ordinal);
        await _tape.WaitForAsync("is gone; 3 members");

        var joined = await _cluster.StartAsync(ClusterRoles.Client);

        Assert.Equal(4, Akka.Cluster.Cluster.Get(joined.System).State.Members.Count);
        Assert.All(others, member => Assert.Null(member.WhyEnded()));
    }
}
