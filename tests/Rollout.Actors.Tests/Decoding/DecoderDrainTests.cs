using Akka.Actor;
using Akka.TestKit;
using Rollout.Actors.Decoding;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Sampling;
using Xunit;

namespace Rollout.Actors.Tests.Decoding;

/// <summary>A decoder whose host is about to leave, with its real allocator and planner. The scheduler is the test's.</summary>
public sealed class DecoderDrainTests : ActorTest
{
    private static readonly GroupRequest Running = Groups.Of(5, 10, 40, 40, 40);
    private static readonly GroupRequest Waiting = Groups.Of(3, 6, [.. Enumerable.Repeat(30, TestSettings.Decoder.MaxNumSeqs)]);

    private readonly SchedulerDouble _scheduler;
    private readonly TestProbe _host;
    private readonly FakeModelRunner _runner = NewRunner();
    private readonly IActorRef _decoder;

    public DecoderDrainTests()
        : base(VirtualTime)
    {
        _scheduler = new SchedulerDouble(CreateTestProbe());
        _host = CreateTestProbe();
        _decoder = Start(0, _runner);
    }

    [Fact]
    public async Task Another_decoder_ends_what_it_hands_back_as_if_nothing_had_happened()
    {
        await DrainInTheMiddleOfAStepAsync();
        var starts = await HandedBackAsync(Running, Waiting);
        Assert.All(starts[Running.Id], start => Assert.NotEmpty(start.Sampled.Tokens));
        Assert.Contains(starts[Waiting.Id], start => start.Sampled.Tokens.Length == 0);
        await AssertIdleAsync(_decoder);

        var other = Start(1, NewRunner());
        await WelcomedAsync(here => here.Decoder.Equals(other));
        foreach (var group in (GroupRequest[])[Running, Waiting])
            _scheduler.Assign(other, group, 7, starts[group.Id]);

        for (var i = 0; i < 2; i++)
        {
            var done = await _scheduler.DecodedAsync();
            Groups.AssertExpected(done.Id == Running.Id ? Running : Waiting, done.Completions, SamplingRng.SequenceKey);
        }
    }

    [Fact]
    public async Task It_is_done_when_the_scheduler_has_all_of_it_and_no_sooner()
    {
        await DrainInTheMiddleOfAStepAsync();
        await SettledAsync(_decoder);
        Assert.False(_host.HasMessages, "nobody has what it handed back");

        await HandedBackAsync(Running, Waiting);

        Assert.Equal(
            new Drained(Decoder(0), Running.Samples.Length + Waiting.Samples.Length),
            await _host.ExpectMsgAsync<Drained>());
    }

    [Fact]
    public async Task It_says_that_it_leaves_and_gives_back_untouched_what_it_is_assigned_after_that()
    {
        await _scheduler.WelcomeAsync();
        _decoder.Tell(new Drain(), _host);
        Assert.Equal(new Drained(Decoder(0), 0), await _host.ExpectMsgAsync<Drained>());
        await WelcomedAsync(here => here.Leaving);

        _scheduler.Assign(_decoder, Running);

        var starts = await HandedBackAsync(Running);
        Assert.All(starts[Running.Id], start => Assert.Empty(start.Sampled.Tokens));
        Assert.Equal(0, _runner.Steps);
    }

    [Fact]
    public async Task Samples_that_it_has_finished_are_reported_as_finished_and_not_handed_back()
    {
        await _scheduler.WelcomeAsync();
        // The first one's end is reported and not yet answered when the second one ends: that one's end is still to be said.
        var group = Groups.Of(1, 10, 1, 4, 60);
        using var gate = new StepGate(_runner, closedAt: 4);
        _scheduler.Assign(_decoder, group);
        await gate.ReachedAsync();
        _decoder.Tell(new Drain(), _host);
        gate.Open();

        await AwaitReportsAsync(() => _scheduler.Of(group.Id, 2)?.HandedBack == true);

        Assert.Equal(FinishReason.Length, _scheduler.Of(group.Id, 0)!.Finished);
        Assert.Equal(FinishReason.Length, _scheduler.Of(group.Id, 1)!.Finished);
        Assert.Equal(new Drained(Decoder(0), 1), await _host.ExpectMsgAsync<Drained>());
    }

    /// <summary>A group runs, another one has no room beside it, and the host says that it leaves.</summary>
    private async Task DrainInTheMiddleOfAStepAsync()
    {
        await _scheduler.WelcomeAsync();
        using var gate = new StepGate(_runner, closedAt: 6);
        _scheduler.Assign(_decoder, Running);
        _scheduler.Assign(_decoder, Waiting);
        await gate.ReachedAsync();
        _decoder.Tell(new Drain(), _host);
        gate.Open();
    }

    private IActorRef Start(int number, FakeModelRunner runner) => Sys.ActorOf(DecoderActor.Props(
        new DecoderSetup(
            Decoder(number), () => runner, MaxModelLength: 80, StaticBatch: false, PrefixCaching: true,
            new PolicySource.Loaded())
        { Audited = true },
        TestSettings.Decoder, 1, _scheduler.Ref, ActorRefs.Nobody));

    private static FakeModelRunner NewRunner() => new(new KvCacheGeometry(BlockCount: 100, BlockSize: 4));

    /// <summary>Where another decoder goes on with these groups, when all samples of them have been handed back.</summary>
    private async Task<Dictionary<GroupId, SampleStart[]>> HandedBackAsync(params GroupRequest[] groups)
    {
        await AwaitReportsAsync(() => groups.All(group => Of(group).All(sample => sample?.HandedBack == true)));
        return groups.ToDictionary(group => group.Id, group => Of(group)
            .Select(sample => new SampleStart(sample!.Sample, sample.Sampled)).ToArray());
    }

    private IEnumerable<SampleProgress?> Of(GroupRequest group) =>
        Enumerable.Range(0, group.Samples.Length).Select(sample => _scheduler.Of(group.Id, sample));

    private async Task AwaitReportsAsync(Func<bool> enough)
    {
        while (!enough())
            await _scheduler.NextAsync();
    }

    private async Task WelcomedAsync(Func<DecoderHere, bool> which)
    {
        while (!which(await _scheduler.WelcomeAsync()))
        {
        }
    }

    private async Task AssertIdleAsync(IActorRef decoder)
    {
        var blocks = Sys.ActorSelection(decoder.Path / "blocks");
        await AwaitAssertAsync(async () =>
        {
            var report = await blocks.Ask<LedgerReport>(new QueryLedger(), TimeSpan.FromSeconds(30));
            Assert.Null(report.Imbalance);
            Assert.Equal((0, 0), (report.Sequences, report.Usage.InUse));
        });
    }
}
