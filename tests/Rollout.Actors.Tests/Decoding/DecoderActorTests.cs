using Akka.Actor;
using Akka.TestKit;
using Rollout.Actors.Decoding;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Sampling;
using Xunit;

namespace Rollout.Actors.Tests.Decoding;

/// <summary>A decoder with its real allocator and planner, between probes for scheduler and barrier.</summary>
public sealed class DecoderActorTests : ActorTest
{
    private static readonly Policy One = Of(1);
    private static readonly HostId Trainer = new("trainer:1", 7);

    private readonly SchedulerDouble _scheduler;
    private readonly TestProbe _barrier;
    private readonly IActorRef _decoder;
    private FakeModelRunner _runner = null!;        // there when the decoder has joined

    public DecoderActorTests()
        : base(VirtualTime)
    {
        _scheduler = new SchedulerDouble(CreateTestProbe());
        _barrier = CreateTestProbe();
        _decoder = Sys.ActorOf(DecoderActor.Props(
            new DecoderSetup(Decoder(0), NewRunner, MaxModelLength: 80, StaticBatch: false, PrefixCaching: true, new PolicySource.Shared()) { Audited = true },
            TestSettings.Decoder, 1, _scheduler.Ref, _barrier));
    }

    [Fact]
    public async Task It_joins_the_barrier_and_is_ready_only_with_the_weights_it_was_told()
    {
        Assert.Equal(
            new JoinBarrier(Decoder(0), 1, _decoder, SharesWeights: true, Holds: null),
            await _barrier.ExpectMsgAsync<JoinBarrier>());
        _decoder.Tell(new TrainerIs(Trainer), _barrier);
        await _barrier.ExpectMsgAsync<JoinBarrier>();
        Update(Of(3));

        Assert.Equal(Of(3), (await _barrier.ExpectMsgAsync<WeightsUpdated>()).Policy);
        var here = await _scheduler.WelcomeAsync();
        Assert.Equal((Decoder(0), 1, _decoder), (here.Id, here.Incarnation, here.Decoder));
        Assert.Equal(new DecoderCapacity(TestSettings.Decoder.MaxNumSeqs, 60, 4, 80, VocabularySize: 1000), here.Capacity);
        Assert.Equal(Of(3), here.Policy);
        Assign(Groups.Of(1, 10, 5));
        var done = await _scheduler.DecodedAsync();
        Groups.AssertExpected(Groups.Of(1, 10, 5), done.Completions, SamplingRng.SequenceKey, new PolicyVersion(3));
    }

    [Fact]
    public async Task Groups_come_back_with_the_tokens_of_plain_recomputation_and_all_blocks()
    {
        await ServeAsync();
        GroupRequest[] groups = [.. Enumerable.Range(1, 9).Select(i => Groups.Of(i, 3 + 4 * i, 9, 20, 1, 14))];
        for (var i = 0; i < groups.Length; i++)
            _scheduler.Assign(_decoder, groups[i], 10 + i);

        for (var i = 0; i < groups.Length; i++)
        {
            var done = await _scheduler.DecodedAsync();
            Assert.Equal(9 + done.Id.Value, done.Assignment.Value);
            Groups.AssertExpected(
                groups.Single(group => group.Id == done.Id), done.Completions, SamplingRng.SequenceKey);
        }
        await AssertIdleAsync();
    }

    [Fact]
    public async Task It_tells_the_scheduler_again_and_again_that_it_is_there()
    {
        await ServeAsync();
        for (var i = 0; i < 3; i++)
        {
            Advance(TimeSpan.FromSeconds(5));
            Assert.Equal(_decoder, (await _scheduler.WelcomeAsync()).Decoder);
        }
    }

    [Fact]
    public async Task A_group_that_can_never_run_is_rejected_with_the_numbers()
    {
        await ServeAsync();
        Assign(Groups.Of(1, 70, 20));

        Assert.Contains("80 tokens", (await _scheduler.RejectedAsync()).Reason);
        await AssertIdleAsync();
    }

    [Fact]
    public async Task An_aborted_group_gives_its_blocks_back_and_is_not_answered()
    {
        await ServeAsync();
        using var gate = new StepGate(_runner, closedAt: 3);
        Assign(Groups.Of(1, 10, 60));
        await gate.ReachedAsync();
        _scheduler.Forget(_decoder, new GroupId(1));
        Assign(Groups.Of(2, 10, 5));
        gate.Open();

        Assert.Equal(2, (await _scheduler.DecodedAsync()).Id.Value);
        await AssertIdleAsync();
    }

    [Fact]
    public async Task A_new_assignment_of_a_group_takes_the_place_of_the_old_one()
    {
        await ServeAsync();
        using var gate = new StepGate(_runner, closedAt: 3);
        var group = Groups.Of(1, 10, 30);
        Assign(group);
        await gate.ReachedAsync();
        _scheduler.Assign(_decoder, group, 2);
        gate.Open();

        var done = await _scheduler.DecodedAsync();
        Assert.Equal(2, done.Assignment.Value);
        Groups.AssertExpected(group, done.Completions, SamplingRng.SequenceKey);
        await AssertIdleAsync();
    }

    [Fact]
    public async Task Weights_told_twice_are_acknowledged_twice_and_cost_nothing()
    {
        await ServeAsync();

        Update(Of(0));

        Assert.Equal(Of(0), (await _barrier.ExpectMsgAsync<WeightsUpdated>()).Policy);
        await AssertIdleAsync();
    }

    [Fact]
    public async Task A_prompt_that_was_computed_under_this_policy_is_not_computed_again()
    {
        await ServeAsync();
        var group = Groups.Of(1, 24, 5);
        Assign(group);
        await _scheduler.DecodedAsync();
        Assert.Equal(24, (await StatsAsync(reset: true)).PrefillTokens);

        var alike = Groups.Of(2, 1, 5) with { Prompt = group.Prompt };
        Assign(alike);

        Groups.AssertExpected(
            alike, (await _scheduler.DecodedAsync()).Completions, SamplingRng.SequenceKey);
        Assert.InRange((await StatsAsync()).PrefillTokens, 1, 23);
    }

    [Fact]
    public async Task A_step_that_fails_is_tried_again_and_costs_no_token()
    {
        await ServeAsync();
        _runner.BeforeStep = (step, _) =>
        {
            if (step is 1 or 4 or 9)
                throw new InvalidOperationException("the step failed");
        };
        var group = Groups.Of(1, 10, 20, 20);
        Assign(group);

        Groups.AssertExpected(
            group, (await _scheduler.DecodedAsync()).Completions, SamplingRng.SequenceKey);
        Assert.Equal(3, (await StatsAsync()).StepFailures);
        await AssertIdleAsync();
    }

    [Fact]
    public async Task A_group_whose_steps_always_fail_is_rejected_with_the_cause()
    {
        await ServeAsync();
        _runner.BeforeStep = (_, _) => throw new InvalidOperationException("not a number");
        Assign(Groups.Of(1, 10, 20, 20));

        Assert.Contains("not a number", (await _scheduler.RejectedAsync()).Reason);
        await AssertIdleAsync();
    }

    [Fact]
    public async Task One_thread_alone_uses_the_runner_which_is_disposed_at_the_end()
    {
        await ServeAsync();
        Assign(Groups.Of(1, 10, 20, 20));
        await _scheduler.DecodedAsync();
        _decoder.Tell(new Park(One), _barrier);
        await _barrier.ExpectMsgAsync<Parked>();
        Update(One);
        await _barrier.ExpectMsgAsync<WeightsUpdated>();
        await WatchAsync(_decoder);

        Sys.Stop(_decoder);
        await ExpectTerminatedAsync(_decoder);

        Assert.True(_runner.IsDisposed);
        Assert.Single(_runner.Threads);
    }

    [Fact]
    public async Task Its_counts_say_what_it_did_and_begin_anew_when_asked_with_reset()
    {
        await ServeAsync();
        var group = Groups.Of(1, 21, 5, 6, 7);
        Assign(group);
        var completions = (await _scheduler.DecodedAsync()).Completions;

        var stats = await StatsAsync(reset: true);

        Assert.Equal(21, stats.PrefillTokens);
        Assert.Equal(completions.Sum(completion => completion.Tokens.Length), stats.NewTokens);
        Assert.Equal(_runner.Steps, stats.Steps);
        Assert.Equal(60, stats.BlocksTotal);
        Assert.True(stats.SharingRatio > 1.5, $"sharing {stats.SharingRatio}");
        Assert.Equal(0, (await StatsAsync()).Steps);
    }

    private FakeModelRunner NewRunner() =>
        _runner = new FakeModelRunner(new KvCacheGeometry(BlockCount: 60, BlockSize: 4));

    private static Policy Of(int version) => new(Run: 5, new PolicyVersion(version));

    private void Update(Policy policy) => _decoder.Tell(new UpdateWeights(Trainer, policy, null), _barrier);

    private async Task ServeAsync()
    {
        await _barrier.ExpectMsgAsync<JoinBarrier>();
        _decoder.Tell(new TrainerIs(Trainer), _barrier);
        await _barrier.ExpectMsgAsync<JoinBarrier>();
        Update(Of(0));
        await _barrier.ExpectMsgAsync<WeightsUpdated>();
        await _scheduler.WelcomeAsync();
    }

    private void Assign(GroupRequest group) => _scheduler.Assign(_decoder, group, 1);

    private async Task<DecoderStats> StatsAsync(bool reset = false) =>
        await _decoder.Ask<DecoderStats>(new QueryDecoderStats(reset), TimeSpan.FromSeconds(30));

    /// <summary>Every block is free or cached, none referenced, and the ledger balances.</summary>
    private async Task AssertIdleAsync()
    {
        var blocks = Sys.ActorSelection(_decoder.Path / "blocks");
        await AwaitAssertAsync(async () =>
        {
            var report = await blocks.Ask<LedgerReport>(new QueryLedger(), TimeSpan.FromSeconds(30));
            Assert.Null(report.Imbalance);
            Assert.Equal(0, report.Sequences);
            Assert.Equal(0, report.Usage.InUse);
        });
    }
}
