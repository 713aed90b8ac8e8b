using Akka.Actor;
using Akka.TestKit;
using Rollout.Actors.Decoding;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Decoding;

/// <summary>A decoder whose reports are answered late, by a probe for the scheduler.</summary>
public sealed class DecoderReportTests : ActorTest
{
    private static readonly SchedulerEpoch Epoch = new(1);
    private static readonly GroupRequest First = Groups.Of(1, 10, 5);
    private static readonly GroupRequest Second = Groups.Of(2, 10, 5);

    private readonly TestProbe _scheduler;
    private readonly IActorRef _decoder;
    private int _commands;

    public DecoderReportTests()
        : base(VirtualTime)
    {
        _scheduler = CreateTestProbe();
        _decoder = Sys.ActorOf(DecoderActor.Props(
            new DecoderSetup(
                Decoder(0), () => new FakeModelRunner(new KvCacheGeometry(BlockCount: 60, BlockSize: 4)), MaxModelLength: 80,
                StaticBatch: false, PrefixCaching: true, new PolicySource.Loaded()),
            TestSettings.Decoder, 1, _scheduler, ActorRefs.Nobody));
    }

    [Fact]
    public async Task An_unanswered_report_is_repeated_unchanged_and_a_late_answer_still_counts()
    {
        Follow(TimeSpan.FromMilliseconds(100));
        Assign(First);
        var report = await ReportAsync();
        Assert.Equal(First.Id, report.Samples.Single().Group);
        Assign(Second);

        foreach (var _ in (int[])[1, 2, 3])
        {
            await SettledAsync(_decoder);
            Advance(TimeSpan.FromSeconds(1));
            Assert.Same(report, await ReportAsync());
        }
        _decoder.Tell(new ReportTaken(Epoch, report.Number), _scheduler);

        var next = await ReportAsync();
        Assert.Equal((report.Number + 1, Second.Id), (next.Number, next.Samples.Single().Group));
    }

    [Fact]
    public async Task Where_reports_are_rare_an_answer_may_take_four_intervals()
    {
        var interval = TimeSpan.FromSeconds(1.2);
        Follow(interval);
        await SettledAsync(_decoder);
        Advance(0.9 * interval);
        Assign(First);
        var report = await ReportAsync();
        await SettledAsync(_decoder);

        Advance(0.2 * interval);        // the interval is over, and hardly any time since the report
        await SettledAsync(_decoder);
        Assert.False(_scheduler.HasMessages);
        Advance(3.9 * interval);

        Assert.Same(report, await ReportAsync());
    }

    [Fact]
    public async Task Tokens_of_a_streamed_group_are_reported_as_they_come_and_no_others()
    {
        Follow(TimeSpan.FromHours(1));
        Assign(Groups.Of(3, 4, 40));
        Assign(Groups.Of(4, 4, 40) with { Streamed = true });
        var tokens = 0;
        DecoderReport report;
        do
        {
            report = await ReportAsync();
            var streamed = report.Samples.Where(sample => sample.Group.Value == 4).ToArray();
            Assert.All(report.Samples.Except(streamed), sample => Assert.NotNull(sample.Finished));
            Assert.All(streamed, sample => Assert.Equal(tokens, sample.Start));
            tokens += streamed.Sum(sample => sample.Sampled.Count);
            _decoder.Tell(new ReportTaken(Epoch, report.Number), _scheduler);
        }
        while (!report.Samples.Any(sample => sample is { Group.Value: 4, Finished: not null }));

        Assert.Equal(Groups.Expected(Groups.Of(4, 4, 40), 0).Length, tokens);
    }

    private void Follow(TimeSpan reportEvery) => _decoder.Tell(new SchedulerHere(Epoch, reportEvery), _scheduler);

    private void Assign(GroupRequest group) => _decoder.Tell(
        new AssignSamples(Epoch, ++_commands, new AssignmentId(_commands), group, [SampleStart.New(0)]), _scheduler);

    private async Task<DecoderReport> ReportAsync() => await _scheduler.FishForMessageAsync<DecoderReport>(_ => true);
}
