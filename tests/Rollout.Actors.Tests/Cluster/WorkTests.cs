using Rollout.Actors.Decoding;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Actors.Tests.Support;
using Rollout.Actors.Topology;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Sampling;
using Xunit;

namespace Rollout.Actors.Tests.Cluster;

/// <summary>Groups through several members, of which some die, leave, or are very busy.</summary>
[Collection(ClusterCollection.Name)]
public sealed class WorkTests : IDisposable
{
    private static readonly GroupRequest[] Requests =
        [.. Enumerable.Range(0, 40).Select(i => Groups.Of(i, 5 + (i % 7), 20, 60, 40, 1))];

    private readonly CancellationTokenSource _deadline = new(TimeSpan.FromMinutes(2));

    public void Dispose() => _deadline.Dispose();

    [Fact]
    public async Task Groups_come_back_whole_over_the_wire_and_the_same_though_a_decoder_dies_under_them()
    {
        await using var cluster = new InProcessCluster();
        await cluster.StartAsync(ClusterRoles.Scheduler);
        var (doomed, other) = (await cluster.StartAsync(ClusterRoles.Decoder), await cluster.StartAsync(ClusterRoles.Decoder));
        AddDecoder(doomed, step =>
        {
            if (step == 30)
                InProcessCluster.Crash(doomed);
        });
        AddDecoder(other);

        await AssertAllComeBackAsync(await cluster.StartAsync(ClusterRoles.Client));
    }

    [Fact]
    public async Task A_decoder_that_leaves_hands_its_work_back_and_nothing_changes()
    {
        await using var cluster = new InProcessCluster();
        await cluster.StartAsync(ClusterRoles.Scheduler);
        var (leaving, other) = (await cluster.StartAsync(ClusterRoles.Decoder), await cluster.StartAsync(ClusterRoles.Decoder));
        var left = new TaskCompletionSource();
        AddDecoder(leaving, step =>
        {
            if (step == 30)
                _ = Task.Run(async () => await leaving.DisposeAsync()).ContinueWith(_ => left.SetResult(), TaskScheduler.Default);
        });
        AddDecoder(other);

        await AssertAllComeBackAsync(await cluster.StartAsync(ClusterRoles.Client));

        await left.Task.WaitAsync(_deadline.Token);
        Assert.Null(leaving.WhyEnded());
    }

    [Fact]
    public async Task When_the_scheduler_dies_the_next_oldest_goes_on_with_what_decoders_have()
    {
        await using var cluster = new InProcessCluster();
        // The seed is none of them, so that it can be joined after they have died.
        var decoder = await cluster.StartAsync(ClusterRoles.Decoder);
        var oldest = await cluster.StartAsync(ClusterRoles.Scheduler);
        await cluster.StartAsync(ClusterRoles.Scheduler);
        await cluster.StartAsync(ClusterRoles.Scheduler);
        AddDecoder(decoder, step =>
        {
            if (step == 30)
                InProcessCluster.Crash(oldest);
        });

        await AssertAllComeBackAsync(await cluster.StartAsync(ClusterRoles.Client));
    }

    [Fact]
    public async Task A_decoder_that_computes_flat_out_is_not_declared_dead()
    {
        // The product's own failure detector, and every core taken for longer than it would wait.
        await using var cluster = new InProcessCluster(
            "akka.cluster.failure-detector { heartbeat-interval = 1s, acceptable-heartbeat-pause = 3s }");
        var tape = new LineTape();
        await cluster.StartAsync(tape.Say, ClusterRoles.Scheduler);
        var busy = await cluster.StartAsync(ClusterRoles.Decoder);
        using var over = new CancellationTokenSource(TimeSpan.FromSeconds(8));
        var burners = Enumerable.Range(0, 3 * Environment.ProcessorCount).Select(_ => Burn(over.Token)).ToArray();
        AddDecoder(busy, step =>
        {
            // One step that blocks the decoder's thread all the while.
            if (step == 2)
                over.Token.WaitHandle.WaitOne();
        });

        await AssertAllComeBackAsync(await cluster.StartAsync(ClusterRoles.Client));

        Array.ForEach(burners, burner => burner.Join());
        Assert.DoesNotContain(tape.Lines, line => line.Contains("unreachable") || line.Contains("down"));
    }

    [Fact]
    public async Task A_host_whose_device_cannot_be_started_ends_with_the_devices_words()
    {
        await using var cluster = new InProcessCluster();
        var member = await cluster.StartAsync(ClusterRoles.Scheduler, ClusterRoles.Decoder);
        member.AddDecoder(
            "cpu", () => throw new InvalidDataException("no memory for 80 blocks"), 100, new PolicySource.Loaded());

        var why = await member.RunUntilAsync(_deadline.Token);

        Assert.Equal($"decoder cpu of {member.Address} can't be started any more: no memory for 80 blocks", why);
    }

    private async Task AssertAllComeBackAsync(RolloutTopology client)
    {
        var seen = new HashSet<GroupId>();
        await foreach (var outcome in client.Client.GenerateAsync(Requests, cancellation: _deadline.Token))
        {
            Assert.True(seen.Add(outcome.Id), $"{outcome.Id} came twice");
            Groups.AssertExpected(
                Requests.Single(request => request.Id == outcome.Id),
                Assert.IsType<GroupFinished>(outcome).Completions,
                SamplingRng.SequenceKey);
        }
        Assert.Equal(Requests.Length, seen.Count);
    }

    private static void AddDecoder(RolloutTopology member, Action<int>? beforeStep = null) => member.AddDecoder(
        "cpu",
        () => new FakeModelRunner(new KvCacheGeometry(BlockCount: 80, BlockSize: 4))
        {
            BeforeStep = (step, _) => beforeStep?.Invoke(step),
        },
        maxModelLength: 100,
        new PolicySource.Loaded());

    private static Thread Burn(CancellationToken until)
    {
        var thread = new Thread(() =>
        {
            while (!until.IsCancellationRequested)
                Thread.SpinWait(1000);
        })
        { IsBackground = true };
        thread.Start();
        return thread;
    }
}
