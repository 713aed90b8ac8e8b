using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Cluster;

/// <summary>What is not lost, not sampled again and not asked for again when a process dies with work in flight.</summary>
[Collection(ClusterCollection.Name)]
public sealed class RecoveryTests : IAsyncLifetime
{
    /// <summary>How long a step takes until what a test waits for has happened.</summary>
    private static readonly TimeSpan SlowStep = TimeSpan.FromMilliseconds(5);

    private readonly InProcessCluster _cluster = new(WireTap.Akka)
    {
        Scheduler = TestSettings.Scheduler with { ReportInterval = TimeSpan.FromMilliseconds(20) },
    };

    private readonly ManualResetEventSlim _happened = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        _happened.Set();
        await _cluster.DisposeAsync();
        _happened.Dispose();
    }

    [Fact]
    public async Task A_new_scheduler_learns_from_decoders_what_they_run_and_misses_nothing()
    {
        using var work = new ClusterWork([.. Enumerable.Range(0, 24).Select(i => Groups.Of(i, 5 + (i % 7), 20, 40, 30, 1))]);
        // The seed is none of the schedulers, so that it can be joined after they have died.
        var decoder = await _cluster.StartAsync(ClusterRoles.Decoder);
        var oldest = await _cluster.StartAsync(ClusterRoles.Scheduler);
        var next = await _cluster.StartAsync(ClusterRoles.Scheduler);
        await _cluster.StartAsync(ClusterRoles.Scheduler);
        var (before, after) = (new WireTape(oldest), new WireTape(next));
        work.AddDecoder(decoder, _ => _happened.Wait(SlowStep));
        var answered = Array.Empty<long>();

        await work.AssertComesBackAsync(await _cluster.StartAsync(ClusterRoles.Client), came =>
        {
            if (came != 4)
                return;
            answered = [.. work.Back];
            InProcessCluster.Crash(oldest);
            _happened.Set();
        });

        Assert.Equal(work.Tokens, work.Draws);
        var resubmitted = after.Of<SubmitGroup>().Select(submit => submit.Group.Id.Value).ToHashSet();
        Assert.NotEmpty(resubmitted);
        Assert.Empty(resubmitted.Intersect(answered));
        var (old, taken) = (before.Of<DecoderReport>().Last(), after.Of<DecoderReport>().First());
        Assert.True(taken.Epoch.Value > old.Epoch.Value, $"{taken.Epoch} after {old.Epoch}");
        Assert.All(taken.Samples, progress => Assert.Equal(0, progress.Start));
    }

    [Fact]
    public async Task Samples_of_a_decoder_that_dies_continue_from_the_tokens_it_reported()
    {
        using var work = new ClusterWork([.. Enumerable.Range(0, 2).Select(i => Groups.Of(i, 9, 80, 80, 80, 80))]);
        var scheduler = await _cluster.StartAsync(ClusterRoles.Scheduler);
        var doomed = await _cluster.StartAsync(ClusterRoles.Decoder);
        work.AddDecoder(doomed, _ => _happened.Wait(SlowStep));
        var reported = new Dictionary<SequenceId, int>();
        _ = new WireTape(scheduler, message =>
        {
            if (_happened.IsSet || message is not DecoderReport report)
                return;
            foreach (var progress in report.Samples)
                reported[new SequenceId(progress.Group, progress.Sample)] = progress.Start + progress.Sampled.Tokens.Length;
            if (reported.Count < 8 || reported.Values.Min() < 5)
                return;
            InProcessCluster.Crash(doomed);
            _happened.Set();
        });
        var client = await _cluster.StartAsync(ClusterRoles.Client);
        var back = work.AssertComesBackAsync(client);
        await Task.Run(() => _happened.Wait(work.Deadline));

        var other = await _cluster.StartAsync(ClusterRoles.Decoder);
        var tape = new WireTape(other);
        work.AddDecoder(other);
        await back;

        var moved = tape.Of<AssignSamples>().SelectMany(assign => assign.Samples.Select(
            start => (Id: new SequenceId(assign.Group.Id, start.Sample), start.Sampled.Tokens))).DistinctBy(sample => sample.Id).ToArray();
        Assert.Equal(8, moved.Length);
        Assert.All(moved, sample => Assert.InRange(sample.Tokens.Length, reported[sample.Id], 79));
    }

    [Fact]
    public async Task A_decoder_that_joins_late_is_given_what_another_one_has_not_begun()
    {
        // One group, which the idle decoder gets whole.
        using var work = new ClusterWork(Groups.Of(1, 5, [.. Enumerable.Repeat(40, 24)]));
        await _cluster.StartAsync(ClusterRoles.Scheduler);
        var first = await _cluster.StartAsync(ClusterRoles.Decoder);
        using var begun = new ManualResetEventSlim();
        var early = work.AddDecoder(first, _ =>
        {
            begun.Set();
            _happened.Wait(TimeSpan.FromMilliseconds(250));     // so that joining in the meantime takes no luck
        });
        var back = work.AssertComesBackAsync(await _cluster.StartAsync(ClusterRoles.Client));
        await Task.Run(() => begun.Wait(work.Deadline));

        var late = work.AddDecoder(await _cluster.StartAsync(ClusterRoles.Decoder), _ => _happened.Set());
        await back;

        Assert.True(late.Draws > 0, "it was given nothing");
        Assert.True(early.Draws > 0, "nothing was left to the one that began");
        Assert.Equal(work.Tokens, work.Draws);
    }
}
