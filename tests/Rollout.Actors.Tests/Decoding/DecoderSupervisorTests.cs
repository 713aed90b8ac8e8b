using System.Collections.Concurrent;
using Akka.Actor;
using Akka.TestKit;
using Rollout.Actors.Blocks;
using Rollout.Actors.Decoding;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Sampling;
using Xunit;

namespace Rollout.Actors.Tests.Decoding;

public sealed class DecoderSupervisorTests : ActorTest
{
    private static readonly HostId Trainer = new("trainer:1", 7);

    private readonly ConcurrentQueue<FakeModelRunner> _runners = new();
    private readonly SchedulerDouble _scheduler;
    private readonly TestProbe _barrier;

    public DecoderSupervisorTests()
        : base(VirtualTime)
    {
        _scheduler = new SchedulerDouble(CreateTestProbe());
        _barrier = CreateTestProbe();
    }

    [Fact]
    public async Task After_a_device_fault_the_next_incarnation_does_the_work()
    {
        var supervisor = Start(NewRunner);
        var first = await WelcomeAsync(1);
        var blocks = await Sys.ActorSelection(first.Path / "blocks").ResolveOne(TimeSpan.FromSeconds(30));
        await WatchAsync(first);
        await WatchAsync(blocks);
        Assert.True(_runners.TryPeek(out var broken));
        broken.BeforeStep = (step, _) =>
        {
            if (step == 3)
                throw new DeviceFaultException("an illegal memory access");
        };
        var group = Groups.Of(1, 10, 20, 20);
        _scheduler.Assign(first, group, 1);

        var lost = await LostAsync();
        Assert.Equal(new DecoderLost(Decoder(0), 1, "an illegal memory access", ComesBack: true), lost);
        Assert.Equal(new LeaveBarrier(Decoder(0), 1), await _barrier.ExpectMsgAsync<LeaveBarrier>());
        await ExpectMsgAsync<Terminated>();
        await ExpectMsgAsync<Terminated>();
        Assert.True(broken.IsDisposed);
        Assert.Single(broken.Threads);
        await PauseAsync(supervisor);
        var second = await WelcomeAsync(2);
        _scheduler.Assign(second, group, 2);
        Groups.AssertExpected(
            group, (await _scheduler.DecodedAsync()).Completions, SamplingRng.SequenceKey);
        Assert.Equal(2, _runners.Count);
        await SettledAsync(supervisor);
    }

    [Fact]
    public async Task A_fault_of_the_allocator_is_the_decoders()
    {
        var supervisor = Start(NewRunner);
        var first = await WelcomeAsync(1);

        // Under a policy that the pool isn't at: nobody who keeps the protocol says this.
        Sys.ActorSelection(first.Path / "blocks").Tell(new ReserveBlocks(new StepDemand
        {
            Step = 1,
            Version = new PolicyVersion(99),
            Written = [],
            Releases = [],
            Growth = [],
            Admissions = [],
        }));

        Assert.True((await LostAsync()).ComesBack);
        await _barrier.ExpectMsgAsync<LeaveBarrier>();
        await PauseAsync(supervisor);
        await WelcomeAsync(2);
    }

    [Fact]
    public async Task A_runner_that_can_not_be_built_is_reported_as_often_as_it_is_tried()
    {
        var attempts = 0;
        var supervisor = Start(() =>
        {
            attempts++;
            throw new InvalidDataException($"attempt {attempts}: model.safetensors has no lm_head.weight");
        });

        for (var incarnation = 1; incarnation <= 1 + TestSettings.Decoder.MaxRestarts; incarnation++)
        {
            var lost = await LostAsync();
            Assert.Equal($"attempt {incarnation}: model.safetensors has no lm_head.weight", lost.Reason);
            Assert.Equal(incarnation, lost.Incarnation);
            Assert.Equal(incarnation <= TestSettings.Decoder.MaxRestarts, lost.ComesBack);
            Assert.Equal(new LeaveBarrier(Decoder(0), incarnation), await _barrier.ExpectMsgAsync<LeaveBarrier>());
            await PauseAsync(supervisor);
        }
        await SettledAsync(supervisor);
        Assert.Equal(1 + TestSettings.Decoder.MaxRestarts, attempts);
    }

    [Fact]
    public async Task A_fault_in_the_middle_of_parking_is_reported_to_the_barrier()
    {
        var supervisor = Start(NewRunner);
        var first = await WelcomeAsync(1);
        Assert.True(_runners.TryPeek(out var runner));
        using var gate = new StepGate(runner, closedAt: 2);
        _scheduler.Assign(first, Groups.Of(1, 10, 60), 1);
        await gate.ReachedAsync();
        runner.BeforeStep = (_, _) => throw new DeviceFaultException("out of memory");
        first.Tell(new Park(new Policy(5, new PolicyVersion(1))), _barrier);
        gate.Open();

        Assert.Equal(new LeaveBarrier(Decoder(0), 1), await _barrier.ExpectMsgAsync<LeaveBarrier>());
        await PauseAsync(supervisor);
        Assert.Equal(2, (await _barrier.ExpectMsgAsync<JoinBarrier>()).Incarnation);
    }

    [Fact]
    public async Task One_that_fails_before_it_has_drained_keeps_its_host_no_longer()
    {
        var supervisor = Start(NewRunner);
        var decoder = await WelcomeAsync(1);
        Assert.True(_runners.TryPeek(out var runner));
        using var opened = new ManualResetEventSlim();
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        runner.BeforeStep = (_, _) =>
        {
            reached.SetResult();
            opened.Wait();
            throw new DeviceFaultException("out of memory");
        };
        _scheduler.Assign(decoder, Groups.Of(1, 10, 60), 1);
        await reached.Task;
        Tell(supervisor, new Drain());
        await SettledAsync(supervisor);
        opened.Set();

        Assert.Equal(new Drained(Decoder(0), 0), await ExpectMsgAsync<Drained>());
        Assert.False((await LostAsync()).ComesBack);
    }

    [Fact]
    public async Task Weights_that_can_not_be_loaded_cost_the_incarnation()
    {
        var supervisor = Start(() => new UnloadableRunner());
        var join = await _barrier.ExpectMsgAsync<JoinBarrier>();

        join.Decoder.Tell(new TrainerIs(Trainer), _barrier);
        await _barrier.ExpectMsgAsync<JoinBarrier>();
        join.Decoder.Tell(new UpdateWeights(Trainer, new Policy(5, new PolicyVersion(1)), null), _barrier);

        Assert.Equal("policy 1 was never published", (await LostAsync()).Reason);
        await _barrier.ExpectMsgAsync<LeaveBarrier>();
        await PauseAsync(supervisor);
        Assert.Equal(2, (await _barrier.ExpectMsgAsync<JoinBarrier>()).Incarnation);
    }

    [Fact]
    public async Task Faults_that_are_far_apart_never_use_up_the_restarts()
    {
        var supervisor = Start(() => throw new InvalidDataException("no such file"));
        for (var incarnation = 1; incarnation <= 3 * TestSettings.Decoder.MaxRestarts; incarnation++)
        {
            Assert.True((await LostAsync()).ComesBack);
            await SettledAsync(supervisor);
            Advance(2 * TestSettings.Decoder.RestartWindow);
        }
    }

    [Fact]
    public async Task The_next_incarnation_starts_after_its_pause_and_not_before()
    {
        var built = 0;
        var supervisor = Start(() =>
        {
            built++;
            throw new InvalidDataException("no such file");
        });
        await LostAsync();
        await SettledAsync(supervisor);

        Advance(TestSettings.Decoder.RestartPause / 2);
        await SettledAsync(supervisor);
        Assert.Equal(1, built);
        Advance(TestSettings.Decoder.RestartPause / 2);
        await LostAsync();

        Assert.Equal(2, built);
    }

    [Fact]
    public async Task A_host_that_leaves_during_the_pause_waits_for_nobody_and_nothing_starts_again()
    {
        var built = 0;
        var supervisor = Start(() =>
        {
            built++;
            throw new InvalidDataException("no such file");
        });
        await LostAsync();
        Tell(supervisor, new Drain());
        Assert.Equal(new Drained(Decoder(0), 0), await ExpectMsgAsync<Drained>());

        await PauseAsync(supervisor);
        await SettledAsync(supervisor);

        Assert.Equal(1, built);
    }

    [Fact]
    public async Task It_passes_questions_about_counts_on_to_the_decoder_at_work()
    {
        var supervisor = Start(NewRunner);
        await WelcomeAsync(1);

        var stats = await supervisor.Ask<DecoderStats>(new QueryDecoderStats(Reset: false), TimeSpan.FromSeconds(30));

        Assert.Equal(40, stats.BlocksTotal);
    }

    private IActorRef Start(Func<IModelRunner> createRunner) => Sys.ActorOf(DecoderSupervisor.Props(
        new DecoderSetup(Decoder(0), createRunner, MaxModelLength: 100, StaticBatch: false, PrefixCaching: true,
            new PolicySource.Shared()),
        TestSettings.Decoder, _scheduler.Ref, _barrier, Clock));

    private async Task<DecoderLost> LostAsync()
    {
        while (true)
        {
            if (await _scheduler.NextAsync() is DecoderLost lost)
                return lost;
        }
    }

    /// <summary>The pause before the next incarnation passes, as long as it may be.</summary>
    private async Task PauseAsync(IActorRef supervisor)
    {
        await SettledAsync(supervisor);
        Advance(TimeSpan.FromMinutes(1));
    }

    private FakeModelRunner NewRunner()
    {
        var runner = new FakeModelRunner(new KvCacheGeometry(BlockCount: 40, BlockSize: 4));
        _runners.Enqueue(runner);
        return runner;
    }

    private async Task<IActorRef> WelcomeAsync(int incarnation)
    {
        var join = await _barrier.ExpectMsgAsync<JoinBarrier>();
        Assert.Equal((Decoder(0), incarnation), (join.Id, join.Incarnation));
        join.Decoder.Tell(new TrainerIs(Trainer), _barrier);
        await _barrier.ExpectMsgAsync<JoinBarrier>();
        join.Decoder.Tell(new UpdateWeights(Trainer, new Policy(5, default), null), _barrier);
        await _barrier.ExpectMsgAsync<WeightsUpdated>();
        Assert.Equal(incarnation, (await _scheduler.WelcomeAsync()).Incarnation);
        return join.Decoder;
    }

    private sealed class UnloadableRunner : IModelRunner
    {
        public KvCacheGeometry Geometry { get; } = new(10, 4);

        public PolicyVersion Version => default;

        public int VocabularySize => 1000;

        public int MaxStepsUnderWay => 1;

        public void Start(ForwardBatch batch) => throw new InvalidOperationException("never asked to");

        public StepOutput Finish() => throw new InvalidOperationException("never asked to");

        public void LoadWeights(PolicyVersion version) =>
            throw new InvalidOperationException($"{version} was never published");

        public void Dispose()
        {
        }
    }
}
