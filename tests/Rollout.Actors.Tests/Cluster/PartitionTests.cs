using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Actors.Tests.Support;
using Rollout.Actors.Topology;
using Xunit;

namespace Rollout.Actors.Tests.Cluster;

/// <summary>A network that is cut in two, under the product's own split-brain settings with shorter times.</summary>
[Collection(ClusterCollection.Name)]
public sealed class PartitionTests : IAsyncLifetime
{
    /// <summary>How long a step takes until the network is cut.</summary>
    private static readonly TimeSpan SlowStep = TimeSpan.FromMilliseconds(5);

    private readonly InProcessCluster _cluster = new(CuttableTransport.Akka + WireTap.Akka);
    private readonly ManualResetEventSlim _isCut = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        _isCut.Set();
        await _cluster.DisposeAsync();
        _isCut.Dispose();
    }

    [Fact]
    public async Task The_side_with_most_schedulers_survives_even_against_more_members()
    {
        using var work = new ClusterWork([.. Enumerable.Range(0, 12).Select(i => Groups.Of(i, 5 + i, 20, 40, 30, 1))]);
        var tape = new LineTape();
        var oldest = await _cluster.StartAsync(ClusterRoles.Scheduler);
        var next = await _cluster.StartAsync(tape.Say, ClusterRoles.Scheduler, ClusterRoles.Client);
        var kept = await _cluster.StartAsync(ClusterRoles.Scheduler, ClusterRoles.Decoder);
        var lost = await _cluster.StartAsync(ClusterRoles.Decoder);
        RolloutTopology[] minority = [oldest, lost, await _cluster.StartAsync(ClusterRoles.Trainer)];
        work.AddDecoder(kept, _ => _isCut.Wait(SlowStep));
        work.AddDecoder(lost, _ => _isCut.Wait(SlowStep));
        var (told, nextHears) = (new WireTape(kept), new WireTape(next));
        var before = await EpochAsync(next);
        var underWay = new TaskCompletionSource();
        var back = work.AssertComesBackAsync(next, came => _ = came == 3 && underWay.TrySetResult());
        await underWay.Task.WaitAsync(work.Deadline);

        await CuttableTransport.CutAsync(minority, [next, kept]);
        _isCut.Set();

        await Task.WhenAll(minority.Select(member => member.System.WhenTerminated)).WaitAsync(work.Deadline);
        Assert.All(minority, member => Assert.StartsWith($"the cluster gave up {member.Address}", member.WhyEnded()));
        foreach (var member in minority)
            await tape.WaitForAsync($"{member.Address} ({RoleOf(member)}) is gone");
        await back;
        using var more = new ClusterWork(Groups.Of(100, 5, 20, 20));
        await more.AssertComesBackAsync(next);
        Assert.Null(next.WhyEnded() ?? kept.WhyEnded());
        var after = await EpochAsync(next);
        Assert.True(after.Value > before.Value, $"{after} after {before}");
        Assert.All(nextHears.Of<DecoderReport>(), report => Assert.Equal(after, report.Epoch));
        // The decoder that is left was told nothing by the old scheduler after the first word of the new one.
        var epochs = told.Of<SchedulerCommand>().Select(command => command.Epoch.Value).ToArray();
        Assert.Equal(epochs.Order(), epochs);
        Assert.Equal((before.Value, after.Value), (epochs[0], epochs[^1]));
    }

    [Fact]
    public async Task A_first_seed_on_the_lost_side_begins_no_second_cluster_and_rejoins_when_it_can()
    {
        var seeds = InProcessCluster.FreeAddresses(3);
        var tape = new LineTape();
        var lost = await _cluster.StartSeedAsync(seeds[0], seeds);
        var (next, kept) = (await _cluster.StartSeedAsync(seeds[1], seeds, tape.Say), await _cluster.StartSeedAsync(seeds[2], seeds));
        await tape.WaitForAsync("3 members: 3 schedulers");

        await CuttableTransport.CutAsync([lost], [next, kept]);
        await lost.System.WhenTerminated.WaitAsync(TimeSpan.FromMinutes(3));
        await tape.WaitForAsync($"{lost.Address} (scheduler) is gone; 2 members");
        var again = _cluster.SeedSettings(seeds[0], seeds);
        var cutOff = await Assert.ThrowsAsync<MembershipException>(() => _cluster.StartAsync(
            again with { Cluster = again.Cluster with { JoinTimeout = TimeSpan.FromSeconds(4) } },
            more: CuttableTransport.CutOffFrom(seeds[1], seeds[2])));
        Assert.StartsWith(
            $"no answer within 4 s from {seeds[1]} (takes connections and does not answer), {seeds[2]} (", cutOff.Message);

        await CuttableTransport.MendAsync(next, kept);
        var back = await _cluster.StartSeedAsync(seeds[0], seeds);

        var members = Akka.Cluster.Cluster.Get(back.System).State.Members.Select(member => Hosts.AddressOf(member.Address));
        Assert.Equal(seeds.ToHashSet(), members.ToHashSet());
        Assert.Null(next.WhyEnded() ?? kept.WhyEnded());
    }

    private static string RoleOf(RolloutTopology member) =>
        Akka.Cluster.Cluster.Get(member.System).SelfRoles.Single();

    private static async Task<SchedulerEpoch> EpochAsync(RolloutTopology client) =>
        (await client.Scheduler.Ask<SchedulerReport>(new QueryScheduler(), TimeSpan.FromSeconds(60))).Epoch;
}
