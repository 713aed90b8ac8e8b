using Akka.Actor;
using Rollout.Actors.Decoding;
using Rollout.Actors.Settings;
using Rollout.Actors.Tests.Support;
using Xunit;
using AkkaCluster = Akka.Cluster.Cluster;

namespace Rollout.Actors.Tests.Cluster;

/// <summary>Groups through several members, of which some leave, or are very busy.</summary>
[Collection(ClusterCollection.Name)]
public sealed class WorkTests : IDisposable
{
    private readonly ClusterWork _work =
        new([.. Enumerable.Range(0, 40).Select(i => Groups.Of(i, 5 + (i % 7), 20, 60, 40, 1))]);

    public void Dispose() => _work.Dispose();

    [Fact]
    public async Task A_decoder_that_leaves_hands_its_work_back_and_nothing_changes()
    {
        await using var cluster = new InProcessCluster();
        await cluster.StartAsync(ClusterRoles.Scheduler);
        var (leaving, other) = (await cluster.StartAsync(ClusterRoles.Decoder), await cluster.StartAsync(ClusterRoles.Decoder));
        var left = new TaskCompletionSource();
        _work.AddDecoder(leaving, step =>
        {
            if (step == 30)
                _ = Task.Run(async () => await leaving.DisposeAsync()).ContinueWith(_ => left.SetResult(), TaskScheduler.Default);
        });
        _work.AddDecoder(other);

        await _work.AssertComesBackAsync(await cluster.StartAsync(ClusterRoles.Client));

        await left.Task.WaitAsync(_work.Deadline);
        Assert.Null(leaving.WhyEnded());
    }

    [Fact]
    public async Task A_decoder_blocked_in_a_step_leaves_its_host_answering_the_cluster()
    {
        await using var cluster = new InProcessCluster();
        var tape = new LineTape();
        var scheduler = await cluster.StartAsync(tape.Say, ClusterRoles.Scheduler);
        var busy = await cluster.StartAsync(ClusterRoles.Decoder);
        using var answered = new CountdownEvent(100);
        _work.AddDecoder(busy, step =>
        {
            if (step != 2)
                return;
            // The step blocks the decoder's thread until its host has answered that many messages of another member.
            scheduler.System.ActorOf(Props.Create(() => new PingActor(AkkaCluster.Get(busy.System).SelfAddress, answered)));
            answered.Wait(_work.Deadline);
        });

        await _work.AssertComesBackAsync(await cluster.StartAsync(ClusterRoles.Client));

        Assert.Equal(0, answered.CurrentCount);
        Assert.DoesNotContain(tape.Lines, line => line.Contains("unreachable") || line.Contains("down"));
    }

    [Fact]
    public async Task A_host_whose_device_cannot_be_started_ends_with_the_devices_words()
    {
        await using var cluster = new InProcessCluster();
        var member = await cluster.StartAsync(ClusterRoles.Scheduler, ClusterRoles.Decoder);
        member.AddDecoder(
            "cpu", () => throw new InvalidDataException("no memory for 80 blocks"), 100, new PolicySource.Loaded());

        var why = await member.RunUntilAsync(_work.Deadline);

        Assert.Equal($"decoder cpu of {member.Address} can't be started any more: no memory for 80 blocks", why);
    }

    /// <summary>Asks a member's guardian actor who it is, again after each answer, until the count is 0.</summary>
    private sealed class PingActor : ReceiveActor
    {
        public PingActor(Address member, CountdownEvent answered)
        {
            var guardian = Context.ActorSelection(new RootActorPath(member) / "user");
            Receive<ActorIdentity>(_ =>
            {
                if (answered.Signal())
                    Context.Stop(Self);
                else
                    guardian.Tell(new Identify(null));
            });
            guardian.Tell(new Identify(null));
        }
    }
}
