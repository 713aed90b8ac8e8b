using Akka.Actor;
using Rollout.Actors.Client;
using Rollout.Actors.Decoding;
using Rollout.Actors.Protocol;
using Rollout.Actors.Scheduling;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Sampling;
using Xunit;

namespace Rollout.Actors.Tests.Scheduling;

/// <summary>
/// The real client, scheduler and decoders over a network that loses, doubles and reorders, while decoders and
/// schedulers die: each group comes once, whole, with the tokens that nothing has disturbed.
/// </summary>
public sealed class SchedulingUnderFaultsTests() : ActorTest(VirtualTime)
{
    private readonly SchedulerEpochs _epochs = new(TimeProvider.System);
    private readonly Dictionary<DecoderId, FakeModelRunner> _runners = [];
    private readonly List<IActorRef> _alive = [];
    private int _decoders;

    [Fact]
    public async Task Nothing_is_lost_on_a_network_that_loses_doubles_and_reorders()
    {
        var seat = Seat(NewScheduler());
        for (var i = 0; i < 3; i++)
            AddDecoder(seat, seed: i);

        await AssertComeUndisturbedAsync(seat, NewGroups(40), _ => { });
    }

    [Fact]
    public async Task A_decoder_that_dies_during_a_rollout_costs_no_group_and_no_sample()
    {
        var scheduler = NewScheduler();
        var seat = Seat(scheduler);
        var (doomed, id) = AddDecoder(seat, seed: 5);
        AddDecoder(seat, seed: 6);

        await AssertComeUndisturbedAsync(seat, NewGroups(30), answered =>
        {
            if (answered != 10)
                return;
            _alive.Remove(doomed);
            Sys.Stop(doomed);
            scheduler.Tell(new HostLost(id.Host));
            AddDecoder(seat, seed: 7);
        });
    }

    [Fact]
    public async Task A_scheduler_that_dies_costs_no_group_and_the_next_learns_what_decoders_hold()
    {
        var seat = Seat(NewScheduler());
        for (var i = 0; i < 2; i++)
            AddDecoder(seat, seed: 10 + i);
        var handOvers = 0;

        await AssertComeUndisturbedAsync(seat, NewGroups(30), answered =>
        {
            if (answered / 8 <= handOvers)
                return;
            handOvers++;
            // The old one isn't stopped: it was frozen, thaws, and goes on commanding.
            seat.Tell(new SchedulerSeatDouble.Taken(NewScheduler()));
        });

        Assert.True(handOvers >= 3, $"{handOvers} hand-overs");
    }

    [Fact]
    public async Task What_waits_on_one_decoder_moves_to_another_that_has_run_dry()
    {
        var seat = Seat(NewScheduler());
        var (first, firstId) = AddDecoder(seat, seed: -1);
        using var turnstile = new StepTurnstile();
        _runners[firstId].BeforeStep = (_, _) => turnstile.Pass();
        // Between two steps it is at the turnstile and answers nobody.
        _alive.Remove(first);
        FakeModelRunner? second = null;

        await AssertComeUndisturbedAsync(seat, [Groups.Of(1, 5, [.. Enumerable.Repeat(60, 8)]), Groups.Of(2, 5, 60, 60, 60, 60)], _ =>
        {
            if (second is { Steps: > 0 })
                turnstile.Open();
            else if (second is not null)
                turnstile.LetOneStepPass();
            else if (turnstile.IsReached)
                second = _runners[AddDecoder(seat, seed: -1).Id];
        });

        Assert.True(second?.Steps > 0, "the second decoder has done nothing");
    }

    private static GroupRequest[] NewGroups(int count) =>
        [.. Enumerable.Range(1, count).Select(i => Groups.Of(i, 3 + i % 9, 5 + i % 20, 12, 1 + i % 3))];

    private IActorRef NewScheduler() =>
        Sys.ActorOf(SchedulerActor.Props(TestSettings.Scheduler, _epochs, time: Clock));

    private IActorRef Seat(IActorRef scheduler) =>
        Sys.ActorOf(Props.Create(() => new SchedulerSeatDouble(scheduler)));

    /// <param name="seat">Leads to the scheduler.</param>
    /// <param name="seed">Of the network's faults; below 0 it has none.</param>
    private (IActorRef Decoder, DecoderId Id) AddDecoder(IActorRef seat, int seed)
    {
        var id = Decoder(_decoders++, $"host-{_decoders}:1");
        var network = seed < 0 ? seat : Sys.ActorOf(Props.Create(() => new LossyRelay(seat, seed)));
        var runner = new FakeModelRunner(new KvCacheGeometry(BlockCount: 200, BlockSize: 4));
        _runners.Add(id, runner);
        var setup = new DecoderSetup(
            id, () => runner, MaxModelLength: 100, StaticBatch: false, PrefixCaching: true, new PolicySource.Loaded());
        _alive.Add(Sys.ActorOf(DecoderActor.Props(setup, TestSettings.Decoder, 1, network, ActorRefs.Nobody)));
        return (_alive[^1], id);
    }

    /// <param name="seat">Leads to the scheduler.</param>
    /// <param name="groups">Submitted by one client.</param>
    /// <param name="disturb">Called as time passes, with the number of groups that have come.</param>
    private async Task AssertComeUndisturbedAsync(IActorRef seat, GroupRequest[] groups, Action<int> disturb)
    {
        var outcomes = new List<GroupOutcome>();
        var all = Task.Run(async () =>
        {
            await foreach (var outcome in new RolloutClient(Sys, seat).GenerateAsync(groups, window: 12))
            {
                lock (outcomes)
                    outcomes.Add(outcome);
            }
        });
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        while (!all.IsCompleted)
        {
            deadline.Token.ThrowIfCancellationRequested();
            await SettledAsync(seat);
            foreach (var decoder in _alive)
                await SettledAsync(decoder);
            Advance(TimeSpan.FromMilliseconds(100));
            int answered;
            lock (outcomes)
                answered = outcomes.Count;
            disturb(answered);
        }
        await all;
        Assert.Equal(groups.Length, outcomes.Count);
        foreach (var group in groups)
        {
            var finished = Assert.IsType<GroupFinished>(Assert.Single(outcomes, outcome => outcome.Id == group.Id));
            Groups.AssertExpected(group, finished.Completions, SamplingRng.SequenceKey);
        }
    }
}
