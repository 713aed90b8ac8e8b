using Akka.Actor;
using FsCheck;
using FsCheck.Fluent;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Barrier;

public sealed class StepBarrierActorTests : StepBarrierTest
{
    [Fact]
    public async Task Sharers_park_then_all_decoders_update_and_their_counts_are_added_up()
    {
        var barrier = Start();
        var sharer = await JoinedAsync(barrier, Decoder(0));
        var other = await JoinedAsync(barrier, Elsewhere(1));

        Tell(barrier, new ParkAll(One));
        Assert.Equal(new Park(One), await sharer.ExpectMsgAsync<Park>());
        Tell(barrier, new Parked(Decoder(0), One));
        Assert.Equal(new AllParked(One), await ExpectMsgAsync<AllParked>());

        var offer = Offer(One);
        Tell(barrier, new UpdateAll(One, offer));
        Assert.Equal(new UpdateWeights(Here, One, null), await sharer.ExpectMsgAsync<UpdateWeights>());
        Assert.Equal(new UpdateWeights(Here, One, offer), await other.ExpectMsgAsync<UpdateWeights>());
        Tell(barrier, Updated(Elsewhere(1), One, steps: 4), Updated(Decoder(0), One, steps: 3));
        var opened = await ExpectMsgAsync<StepOpened>();
        Assert.Equal((One, 7), (opened.Policy, opened.Stats.Steps));
    }

    [Fact]
    public async Task A_decoder_that_joins_is_told_the_current_policy_and_where_to_fetch_it()
    {
        var barrier = Start(Two);

        Assert.Null((await Join(barrier, Decoder(0)).ExpectMsgAsync<UpdateWeights>()).Offer);
        var update = await Join(barrier, Elsewhere(1)).ExpectMsgAsync<UpdateWeights>();

        Assert.Equal((Here, Two, Two), (update.Trainer, update.Policy, update.Offer?.Policy));
    }

    [Fact]
    public async Task A_decoder_that_joins_again_is_told_only_a_policy_that_it_does_not_hold()
    {
        var barrier = Start();
        var decoder = await JoinedAsync(barrier, Elsewhere(0));

        Join(barrier, Elsewhere(0), holds: Zero, again: decoder);
        await SettledAsync(barrier);
        Assert.False(decoder.HasMessages);

        Join(barrier, Elsewhere(0), holds: new Policy(Run: 5, Zero.Version), again: decoder);
        Assert.Equal(Zero, (await decoder.ExpectMsgAsync<UpdateWeights>()).Policy);
    }

    [Fact]
    public async Task A_barrier_without_decoders_opens_at_once()
    {
        var barrier = Start();

        Tell(barrier, new ParkAll(One));
        await ExpectMsgAsync<AllParked>();
        Publish(barrier);
        await ExpectMsgAsync<StepOpened>();
    }

    [Fact]
    public void Parking_ends_exactly_when_the_last_decoder_has_parked_or_gone() =>
        Prop.ForAll(Arrivals(), arrivals =>
        {
            var barrier = Start();
            for (var i = 0; i < 3; i++)
                Join(barrier, Decoder(i), incarnation: 2);
            Tell(barrier, new ParkAll(One));
            CheckPhase(
                barrier, arrivals, number => Decoder(number), (id, policy) => new Parked(id, policy),
                answer => Assert.IsType<AllParked>(answer));
        }).Holds(runs: 60);

    [Fact]
    public void The_step_opens_exactly_when_the_last_decoder_has_updated_or_gone() =>
        Prop.ForAll(Arrivals(), arrivals =>
        {
            var barrier = Start();
            Tell(barrier, new ParkAll(One));
            Assert.IsType<AllParked>(ReceiveOne(null));
            for (var i = 0; i < 3; i++)
                Join(barrier, Elsewhere(i), incarnation: 2);
            Publish(barrier);
            CheckPhase(
                barrier, arrivals, Elsewhere, (id, policy) => Updated(id, policy),
                answer => Assert.IsType<StepOpened>(answer));
        }).Holds(runs: 60);

    [Fact]
    public async Task The_deadline_of_parking_names_exactly_the_missing_decoders()
    {
        var barrier = Start();
        for (var i = 0; i < 3; i++)
            await JoinedAsync(barrier, Decoder(i));
        Tell(barrier, new ParkAll(One), new Parked(Decoder(1), One));
        await SettledAsync(barrier);

        await PassAsync(barrier, Deadlines.Timeout);

        var failed = await ExpectMsgAsync<BarrierFailed>();
        Assert.Equal(One, failed.Policy);
        Assert.Contains($"{Decoder(0)}, {Decoder(2)} did not park for {One} within {Deadlines.Timeout}", failed.Reason);
        Assert.DoesNotContain(Decoder(1).ToString(), failed.Reason);
    }

    [Fact]
    public async Task The_deadline_of_the_update_names_exactly_the_missing_decoders()
    {
        var barrier = Start();
        await JoinedAsync(barrier, Decoder(0));
        await JoinedAsync(barrier, Decoder(1));
        await ParkAsync(barrier, Decoder(0), Decoder(1));
        Publish(barrier);
        Tell(barrier, Updated(Decoder(0), One));
        await SettledAsync(barrier);

        await PassAsync(barrier, Deadlines.Timeout);

        var failed = await ExpectMsgAsync<BarrierFailed>();
        Assert.Contains($"{Decoder(1)} did not take the weights of {One} within {Deadlines.Timeout}", failed.Reason);
        Assert.DoesNotContain(Decoder(0).ToString(), failed.Reason);
    }

    [Fact]
    public async Task A_trainer_that_was_frozen_fails_no_decoder_for_the_time_it_missed()
    {
        var barrier = Start();
        await JoinedAsync(barrier, Decoder(0));
        Tell(barrier, new ParkAll(One));
        await SettledAsync(barrier);

        Advance(10 * Deadlines.Timeout);        // all at once, as timers do when the process goes on
        Tell(barrier, new Parked(Decoder(0), One));
        Assert.Equal(One, (await ExpectMsgAsync<AllParked>()).Next);
        Publish(barrier);
        await SettledAsync(barrier);
        Advance(10 * Deadlines.Timeout);
        Tell(barrier, Updated(Decoder(0), One));

        await ExpectMsgAsync<StepOpened>();
    }

    [Fact]
    public async Task A_trainer_that_was_frozen_leaves_no_decoder_behind_that_still_fetches()
    {
        var barrier = Start();
        await JoinedAsync(barrier, Elsewhere(0));
        await JoinedAsync(barrier, Elsewhere(1));
        await ParkAsync(barrier);
        Publish(barrier);
        Tell(barrier, Updated(Elsewhere(0), One));
        await SettledAsync(barrier);

        Advance(10 * Deadlines.TransferTimeout);

        await AssertWaitsForAsync(barrier, Elsewhere(1));
    }

    [Fact]
    public async Task A_decoder_that_fetches_too_slowly_is_left_behind_after_the_deadline()
    {
        var barrier = Start();
        await JoinedAsync(barrier, Elsewhere(0));
        await JoinedAsync(barrier, Elsewhere(1));
        await ParkAsync(barrier);
        Publish(barrier);
        Tell(barrier, Updated(Elsewhere(0), One));
        await SettledAsync(barrier);

        await PassAsync(barrier, Deadlines.TransferTimeout);
        await SettledAsync(barrier);
        Assert.False(HasMessages);
        await EventFilter
            .Warning(contains: $"{Elsewhere(1)} did not take the weights of {One}")
            .ExpectOneAsync(() => PassAsync(barrier, Deadlines.Timeout));

        Assert.Equal(One, (await ExpectMsgAsync<StepOpened>()).Policy);
    }

    [Fact]
    public async Task A_late_decoder_is_told_the_policy_when_it_joins_again()
    {
        var barrier = Start();
        var decoder = await JoinedAsync(barrier, Elsewhere(1));
        await ParkAsync(barrier);
        Publish(barrier);
        await decoder.ExpectMsgAsync<UpdateWeights>();
        await SettledAsync(barrier);
        await PassAsync(barrier, Deadlines.TransferTimeout + Deadlines.Timeout);
        await ExpectMsgAsync<StepOpened>();

        Join(barrier, Elsewhere(1), holds: Zero, again: decoder);

        Assert.Equal(One, (await decoder.ExpectMsgAsync<UpdateWeights>()).Policy);
    }

    [Fact]
    public async Task A_decoder_that_missed_a_deadline_is_not_waited_for_the_next_time()
    {
        var barrier = Start();
        await JoinedAsync(barrier, Decoder(0));
        await JoinedAsync(barrier, Decoder(1));
        Tell(barrier, new ParkAll(One), new Parked(Decoder(0), One));
        await SettledAsync(barrier);
        await PassAsync(barrier, Deadlines.Timeout);
        await ExpectMsgAsync<BarrierFailed>();

        await ParkAsync(barrier, Decoder(0));
    }

    [Fact]
    public async Task The_time_of_training_does_not_count_against_the_decoders()
    {
        var barrier = Start();
        await JoinedAsync(barrier, Decoder(0));
        await ParkAsync(barrier, Decoder(0));
        await SettledAsync(barrier);

        await PassAsync(barrier, 10 * Deadlines.Timeout);
        Publish(barrier);
        await SettledAsync(barrier);
        await PassAsync(barrier, Deadlines.Timeout / 2);
        Tell(barrier, Updated(Decoder(0), One));

        await ExpectMsgAsync<StepOpened>();
    }

    [Fact]
    public async Task A_lost_update_or_answer_is_sent_again()
    {
        var barrier = Start();
        var decoder = await JoinedAsync(barrier, Elsewhere(0));
        await ParkAsync(barrier);
        Publish(barrier);
        await decoder.ExpectMsgAsync<UpdateWeights>();

        Join(barrier, Elsewhere(0), holds: Zero, again: decoder);
        Assert.Equal(One, (await decoder.ExpectMsgAsync<UpdateWeights>()).Policy);
        Join(barrier, Elsewhere(0), holds: One, again: decoder);
        Assert.Equal(One, (await decoder.ExpectMsgAsync<UpdateWeights>()).Policy);

        await AssertWaitsForAsync(barrier, Elsewhere(0));
    }

    /// <summary>Who says what: 0 … 2 are participants, 3 is a stranger.</summary>
    private enum Say
    {
        Here,
        HereForAnotherVersion,
        HereForAnotherRun,
        Gone,
        GoneBefore,
        HostGone,
    }

    private static Arbitrary<(int Who, Say What)[]> Arrivals() => (
        from who in Gen.Choose(0, 3)
        from what in Gen.Frequency(
            (6, Gen.Elements(Say.Here, Say.HereForAnotherVersion, Say.HereForAnotherRun, Say.Gone, Say.GoneBefore)),
            (1, Gen.Constant(Say.HostGone)))
        select (who, what)).ArrayOf(12).ToArbitrary();

    private void CheckPhase(
        IActorRef barrier,
        (int Who, Say What)[] arrivals,
        Func<int, DecoderId> idOf,
        Func<DecoderId, Policy, object> arrive,
        Action<object> isEnd)
    {
        var awaited = new HashSet<int> { 0, 1, 2 };
        // At the end everybody arrives, so that every history has its end.
        foreach (var (who, what) in arrivals.Concat([(0, Say.Here), (1, Say.Here), (2, Say.Here)]))
        {
            var id = idOf(who);
            Tell(barrier, what switch
            {
                Say.Here => arrive(id, One),
                Say.HereForAnotherVersion => arrive(id, Zero),
                Say.HereForAnotherRun => arrive(id, One with { Run = 3 }),
                Say.Gone => new LeaveBarrier(id, 2),
                Say.GoneBefore => new LeaveBarrier(id, 1),
                _ => new HostLost(id.Host),
            });
            if (what is Say.Here or Say.Gone)
                awaited.Remove(who);
            else if (what is Say.HostGone)
                awaited.RemoveWhere(other => idOf(other).Host == id.Host);
            if (awaited.Count == 0)
                break;
            Tell(barrier, new Identify(who));
            Assert.IsType<ActorIdentity>(ReceiveOne(null));     // before any end of the phase
        }
        isEnd(ReceiveOne(null));
    }
}
