using Akka.Actor;
using Akka.Cluster;
using Akka.Remote;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Actors.Tests.Support;
using Rollout.Actors.Topology;
using Xunit;

namespace Rollout.Actors.Tests.Cluster;

/// <summary>Who is a member, who is not any more, and how soon the others know.</summary>
[Collection(ClusterCollection.Name)]
public sealed class MembershipTests
{
    private const string PatientResolver = "akka.cluster.split-brain-resolver.stable-after = 1h\n";

    [Fact]
    public async Task A_process_that_dies_is_down_long_before_the_resolver_would_decide()
    {
        await using var cluster = new InProcessCluster(PatientResolver);
        var tape = new LineTape();
        await cluster.StartAsync(tape.Say, ClusterRoles.Scheduler);
        var decoder = await cluster.StartAsync(ClusterRoles.Decoder);
        var name = $"{decoder.Address} (decoder)";
        await tape.WaitForAsync($"{name} is up; 2 members: 1 scheduler, 1 decoder");

        InProcessCluster.Crash(decoder);

        await tape.WaitForAsync($"{name} is down");
    }

    [Fact]
    public async Task A_lost_connection_alone_downs_nobody()
    {
        await using var cluster = new InProcessCluster(PatientResolver);
        var tape = new LineTape();
        var first = await cluster.StartAsync(tape.Say, ClusterRoles.Scheduler);
        var (alive, dead) = (await cluster.StartAsync(ClusterRoles.Decoder), await cluster.StartAsync(ClusterRoles.Decoder));
        await tape.WaitForAsync("3 members: 1 scheduler, 2 decoders");

        first.System.EventStream.Publish(new DisassociatedEvent(SelfOf(first), SelfOf(alive), inbound: true));
        InProcessCluster.Crash(dead);

        await tape.WaitForAsync($"{dead.Address} (decoder) is down");
        Assert.DoesNotContain(tape.Lines, line => line.StartsWith($"{alive.Address} (decoder) is down", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_member_that_leaves_says_so_and_is_never_called_dead()
    {
        await using var cluster = new InProcessCluster();
        var tape = new LineTape();
        await cluster.StartAsync(tape.Say, ClusterRoles.Scheduler);
        var decoder = await cluster.StartAsync(ClusterRoles.Decoder);

        await decoder.DisposeAsync();

        await tape.WaitForAsync($"{decoder.Address} (decoder) is gone; 1 member: 1 scheduler");
        Assert.Contains($"{decoder.Address} (decoder) leaves", tape.Lines);
        Assert.DoesNotContain(tape.Lines, line => line.Contains("down") || line.Contains("unreachable"));
        Assert.Null(decoder.WhyEnded());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Members_that_lose_their_last_scheduler_end_and_say_so_and_wait_for_nothing(bool isKilled)
    {
        await using var cluster = new InProcessCluster(PatientResolver) { SchedulerTimeout = TimeSpan.FromSeconds(1) };
        var scheduler = await cluster.StartAsync(ClusterRoles.Scheduler);
        var decoder = await cluster.StartAsync(ClusterRoles.Decoder);
        var client = await cluster.StartAsync(ClusterRoles.Client);
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var ended = decoder.RunUntilAsync(deadline.Token);
        var generating = client.Client
            .GenerateAsync([Groups.Of(1, 5, 6)], cancellation: deadline.Token).GetAsyncEnumerator(deadline.Token)
            .MoveNextAsync();

        if (isKilled)
            InProcessCluster.Crash(scheduler);
        else
            await scheduler.DisposeAsync();

        const string Sentence = "the cluster has had no scheduler for 1 s (rollout.cluster.scheduler-timeout): expected a"
            + " member with the role scheduler";
        Assert.Equal(Sentence, await ended);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await generating);
        Assert.Equal(Sentence, client.WhyEnded());
    }

    [Fact]
    public async Task Membership_names_all_hosts_of_a_role_first_and_each_loss_once()
    {
        await using var cluster = new InProcessCluster();
        var first = await cluster.StartAsync(ClusterRoles.Scheduler, ClusterRoles.Decoder);
        using var inbox = Inbox.Create(first.System);
        var membership = first.System.ActorSelection($"/user/{MembershipActor.Name}");
        membership.Tell(new WatchHosts(ClusterRoles.Decoder), inbox.Receiver);

        Assert.Equal([IdOf(first)], (await NextAsync<HostsUp>(inbox)).Hosts);
        var second = await cluster.StartAsync(ClusterRoles.Decoder);
        var id = IdOf(second);
        Assert.Equal([id], (await NextAsync<HostsUp>(inbox)).Hosts);
        await (await cluster.StartAsync(ClusterRoles.Client)).DisposeAsync();       // and is no loss
        await second.DisposeAsync();
        Assert.Equal(new HostLost(id), await NextAsync<HostLost>(inbox));
        // What follows is about the next one: the loss isn't told again when the member is removed.
        var third = await cluster.StartAsync(ClusterRoles.Decoder);
        Assert.Equal([IdOf(third)], (await NextAsync<HostsUp>(inbox)).Hosts);
    }

    [Fact]
    public async Task Membership_names_members_before_they_are_up_to_those_that_ask()
    {
        await using var cluster = new InProcessCluster();
        var first = await cluster.StartAsync(ClusterRoles.Scheduler);
        using var inbox = Inbox.Create(first.System);
        first.System.ActorSelection($"/user/{MembershipActor.Name}").Tell(new WatchMembers(), inbox.Receiver);
        Assert.Equal([IdOf(first)], await NextMembersAsync());

        var second = await cluster.StartAsync(ClusterRoles.Decoder);

        HostId[] both = [IdOf(first), IdOf(second)];
        var joining = await NextAsync<MembersSeen>(inbox);
        Assert.Equal(both.ToHashSet(), Ids(joining).ToHashSet());
        Assert.Contains(joining.Members, member => member.Status == MemberStatus.Joining);
        await second.DisposeAsync();
        while (!(await NextMembersAsync()).SequenceEqual([IdOf(first)]))
        {
        }

        async Task<HostId[]> NextMembersAsync() => Ids(await NextAsync<MembersSeen>(inbox));

        static HostId[] Ids(MembersSeen now) => [.. now.Members.Select(member => Hosts.IdOf(member.UniqueAddress))];
    }

    [Fact]
    public async Task A_process_that_takes_a_dead_ones_address_is_another_host()
    {
        await using var cluster = new InProcessCluster();
        var tape = new LineTape();
        await cluster.StartAsync(tape.Say, ClusterRoles.Scheduler);
        var before = await cluster.StartAsync(ClusterRoles.Decoder);
        var (address, id) = (before.Address, IdOf(before));
        InProcessCluster.Crash(before);
        await before.System.WhenTerminated;
        var settings = cluster.Settings(ClusterRoles.Decoder);

        await using var after = await cluster.StartAsync(
            settings with { Cluster = settings.Cluster with { Port = address.Port } });

        Assert.Equal(id.Address, IdOf(after).Address);
        Assert.NotEqual(id, IdOf(after));
    }

    [Fact]
    public async Task Two_schedulers_that_stay_two_are_warned_of()
    {
        await using var cluster = new InProcessCluster();
        var tape = new LineTape();
        var first = await cluster.StartAsync(ClusterRoles.Scheduler);
        await cluster.StartAsync(ClusterRoles.Scheduler);
        var log = first.System.ActorOf(Props.Create(() => new MembershipLog(tape.Say, TimeSpan.FromMilliseconds(100))));
        first.System.ActorOf(MembershipActor.Props(log));

        var warning = await tape.WaitForAsync("warning");

        Assert.Contains("run one or three", warning, StringComparison.Ordinal);
    }

    internal static HostId IdOf(RolloutTopology member) =>
        Hosts.IdOf(Akka.Cluster.Cluster.Get(member.System).SelfUniqueAddress);

    private static Address SelfOf(RolloutTopology member) => Akka.Cluster.Cluster.Get(member.System).SelfAddress;

    private static async Task<T> NextAsync<T>(Inbox inbox) =>
        Assert.IsType<T>(await inbox.ReceiveAsync(TimeSpan.FromSeconds(60)));
}
