using Rollout.Actors.Decoding;
using Rollout.Actors.Settings;
using Rollout.Actors.Tests.Support;
using Xunit;

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
    public async Task A_decoder_that_computes_flat_out_is_not_declared_dead()
    {
        // The product's own failure detector, and every core taken for longer than it would wait.
        await using var cluster = new InProcessCluster(
            "akka.cluster.failure-detector { heartbeat-interval = 1s, acceptable-heartbeat-pause = 3s }");
        var tape = new LineTape();
        await cluster.StartAsync(tape.Say, ClusterRoles.Scheduler);
        var busy = await cluster.StartAsync(ClusterRoles.Decoder);
        using var over = new CancellationTokenSource();
        _work.AddDecoder(busy, step =>
        {
            if (step != 2)
                return;
            // One step that blocks the decoder's thread all the while.
            var burners = Enumerable.Range(0, 3 * Environment.ProcessorCount).Select(_ => Burn(over.Token)).ToArray();
            over.CancelAfter(TimeSpan.FromSeconds(8));
            Array.ForEach(burners, burner => burner.Join());
        });

        await _work.AssertComesBackAsync(await cluster.StartAsync(ClusterRoles.Client));

        Assert.True(over.IsCancellationRequested, "the decoder was never busy");
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
