using Akka.Actor;
using Akka.Configuration;
using Rollout.Actors.Settings;
using Rollout.Actors.Topology;
using Xunit;

namespace Rollout.Actors.Tests.Cluster;

/// <summary>A process with Akka's own defaults that reaches the port: nothing that it names is built here.</summary>
[Collection(ClusterCollection.Name)]
public sealed class StrangerTests : IAsyncLifetime
{
    private static int _built;

    private readonly InProcessCluster _cluster = new();
    private RolloutTopology _member = null!;
    private ActorSystem _stranger = null!;
    private Inbox _inbox = null!;

    public async Task InitializeAsync()
    {
        _member = await _cluster.StartAsync(ClusterRoles.Scheduler);
        _inbox = Inbox.Create(_member.System);
        _stranger = ActorSystem.Create("stranger", ConfigurationFactory.ParseString(
            """
            akka.loglevel = OFF
            akka.actor.provider = remote
            akka.remote.dot-netty.tcp { hostname = 127.0.0.1, port = 0 }
            """));
    }

    public async Task DisposeAsync()
    {
        _inbox.Dispose();
        await _stranger.Terminate();
        await _cluster.DisposeAsync();
    }

    [Fact]
    public async Task An_object_in_JSON_is_not_built_and_what_follows_it_still_arrives()
    {
        var address = _inbox.Receiver.Path.ToStringWithAddress(MemberAddress);
        _stranger.ActorSelection(address).Tell(new Trap { Name = "set" });
        _stranger.ActorSelection(address).Tell("after it");

        Assert.Equal("after it", await _inbox.ReceiveAsync(TimeSpan.FromSeconds(60)));
        Assert.Equal(1, _built);        // by this test alone
    }

    [Fact]
    public async Task An_actor_deployed_from_elsewhere_is_not_started()
    {
        var address = _inbox.Receiver.Path.ToStringWithAddress(MemberAddress);
        _stranger.ActorOf(
            Props.Create(() => new Spy(address)).WithDeploy(new Deploy(new RemoteScope(MemberAddress))));
        _stranger.ActorSelection(address).Tell("after it");

        Assert.Equal("after it", await _inbox.ReceiveAsync(TimeSpan.FromSeconds(60)));
    }

    private Address MemberAddress => Akka.Cluster.Cluster.Get(_member.System).SelfAddress;

    public sealed class Trap
    {
        public Trap() => Interlocked.Increment(ref _built);

        public string Name { get; set; } = "";
    }

    /// <summary>Says that it runs.</summary>
    public sealed class Spy : ReceiveActor
    {
        public Spy(string address) => Context.ActorSelection(address).Tell("deployed");
    }
}
