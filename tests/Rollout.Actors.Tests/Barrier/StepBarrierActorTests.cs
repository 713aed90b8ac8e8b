using Akka.Actor;
using Akka.TestKit;
using FsCheck;
using FsCheck.Fluent;
using Rollout.Actors.Barrier;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Barrier;

public sealed class StepBarrierActorTests() : ActorTest(VirtualTime)
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);
    private static readonly PolicyVersion Zero = new(0);
    private static readonly PolicyVersion One = new(1);

    [Fact]
    public async Task One_that_joins_is_told_the_current_version()
    {
        var barrier = Start(new PolicyVersion(4));

        Assert.Equal(4, (await Join(barrier, 0).ExpectMsgAsync<UpdateWeights>()).Version.Value);
    }

    [Fact]
    public async Task Everybody_parks_then_everybody_updates_and_the_counts_are_added_up()
    {
        var barrier = Start();
        TestProbe[] decoders = [await JoinedAsync(barrier, 0), await JoinedAsync(barrier, 1)];

        Tell(barrier, new ParkAll(One));
        foreach (var decoder in decoders)
            Assert.Equal(One, (await decoder.ExpectMsgAsync<Park>()).Until);
        Tell(barrier, new Parked(Decoder(0), One, new DecoderStats { Steps = 3 }));
        Tell(barrier, new Parked(Decoder(1), One, new DecoderStats { Steps = 4 }));
        var parked = await ExpectMsgAsync<AllParked>();
        Assert.Equal((One, 7), (parked.Next, parked.Stats.Steps));

        Tell(barrier, new UpdateAll(One));
        foreach (var decoder in decoders)
            Assert.Equal(One, (await decoder.ExpectMsgAsync<UpdateWeights>()).Version);
        Tell(barrier, new WeightsUpdated(Decoder(1), One), new WeightsUpdated(Decoder(0), One));
        Assert.Equal(new StepOpened(One), await ExpectMsgAsync<StepOpened>());
        Assert.Equal(One, (await Join(barrier, 2).ExpectMsgAsync<UpdateWeights>()).Version);
    }

    [Fact]
    public async Task A_barrier_without_decoders_opens_at_once()
    {
        var barrier = Start();

        Tell(barrier, new ParkAll(One));
        await ExpectMsgAsync<AllParked>();
        Tell(barrier, new UpdateAll(One));
        await ExpectMsgAsync<StepOpened>();
    }

    [Fact]
    public void Whatever_arrives_in_whatever_order_all_are_parked_exactly_when_the_last_has_arrived_or_gone() =>
        Prop.ForAll(Arrivals(), arrivals =>
        {
            var barrier = Start();
            for (var i = 0; i < 3; i++)
                Tell(barrier, new JoinBarrier(Decoder(i, $"host-{i}:1"), 2, ActorRefs.Nobody));
            Tell(barrier, new ParkAll(One));
            CheckPhase(barrier, arrivals, (id, version) => new Parked(id, version, DecoderStats.None),
                answer => Assert.IsType<AllParked>(answer));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(60));

    [Fact]
    public void Whatever_arrives_in_whatever_order_the_step_opens_exactly_when_the_last_has_updated_or_gone() =>
        Prop.ForAll(Arrivals(), arrivals =>
        {
            var barrier = Start();
            Tell(barrier, new ParkAll(One));
            Assert.IsType<AllParked>(ReceiveOne(null));
            for (var i = 0; i < 3; i++)
                Tell(barrier, new JoinBarrier(Decoder(i, $"host-{i}:1"), 2, ActorRefs.Nobody));
            Tell(barrier, new UpdateAll(One));
            CheckPhase(barrier, arrivals, (id, version) => new WeightsUpdated(id, version),
                answer => Assert.IsType<StepOpened>(answer));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(60));

    [Fact]
    public async Task The_deadline_of_parking_names_exactly_those_that_are_missing()
    {
        var barrier = Start();
        for (var i = 0; i < 3; i++)
            await JoinedAsync(barrier, i);
        Tell(barrier, new ParkAll(One), new Parked(Decoder(1), One, DecoderStats.None));
        await SettledAsync(barrier);

        Advance(Timeout);

        var failed = await ExpectMsgAsync<BarrierFailed>();
        Assert.Equal(One, failed.Version);
        Assert.Contains($"{Decoder(0)}, {Decoder(2)} did not park for {One} within {Timeout}", failed.Reason);
        Assert.DoesNotContain(Decoder(1).ToString(), failed.Reason);
    }

    [Fact]
    public async Task The_deadline_of_the_update_names_exactly_those_that_are_missing()
    {
        var barrier = Start();
        for (var i = 0; i < 2; i++)
            await JoinedAsync(barrier, i);
        await ParkAsync(barrier, 0, 1);
        Tell(barrier, new UpdateAll(One), new WeightsUpdated(Decoder(0), One));
        await SettledAsync(barrier);

        Advance(Timeout);

        var failed = await ExpectMsgAsync<BarrierFailed>();
        Assert.Contains($"{Decoder(1)} did not take the weights for {One} within {Timeout}", failed.Reason);
        Assert.DoesNotContain(Decoder(0).ToString(), failed.Reason);
    }

    [Fact]
    public async Task Those_that_missed_a_deadline_are_not_waited_for_the_next_time()
    {
        var barrier = Start();
        for (var i = 0; i < 2; i++)
            await JoinedAsync(barrier, i);
        Tell(barrier, new ParkAll(One), new Parked(Decoder(0), One, DecoderStats.None));
        await SettledAsync(barrier);
        Advance(Timeout);
        await ExpectMsgAsync<BarrierFailed>();

        await ParkAsync(barrier, 0);
    }

    [Theory]
    [InlineData("before", false)]
    [InlineData("before", true)]
    [InlineData("while the others park", false)]
    [InlineData("while the others park", true)]
    [InlineData("when all are parked", false)]
    [InlineData("when all are parked", true)]
    public async Task One_that_is_gone_is_waited_for_in_no_later_phase(string when, bool withItsHost)
    {
        var barrier = Start();
        await JoinedAsync(barrier, 0);
        var id = Decoder(0, "gone:1");
        Tell(barrier, new JoinBarrier(id, 1, ActorRefs.Nobody));
        void GoneIf(string now) =>
            Tell(barrier, when != now ? [] : withItsHost ? [new HostLost(id.Host)] : [new LeaveBarrier(id, 1)]);

        GoneIf("before");
        Tell(barrier, new ParkAll(One), new Parked(Decoder(0), One, DecoderStats.None));
        GoneIf("while the others park");
        Tell(barrier, new Parked(id, One, DecoderStats.None));
        await ExpectMsgAsync<AllParked>();
        GoneIf("when all are parked");
        Tell(barrier, new UpdateAll(One), new WeightsUpdated(Decoder(0), One));
        await ExpectMsgAsync<StepOpened>();
        Tell(barrier, new ParkAll(new PolicyVersion(2)), new Parked(Decoder(0), new PolicyVersion(2), DecoderStats.None));

        Assert.Equal(2, (await ExpectMsgAsync<AllParked>()).Next.Value);
    }

    [Fact]
    public async Task Time_that_training_takes_is_not_the_decoders()
    {
        var barrier = Start();
        await JoinedAsync(barrier, 0);
        await ParkAsync(barrier, 0);
        await SettledAsync(barrier);

        Advance(10 * Timeout);
        Tell(barrier, new UpdateAll(One));
        await SettledAsync(barrier);
        Advance(Timeout / 2);
        Tell(barrier, new WeightsUpdated(Decoder(0), One));

        await ExpectMsgAsync<StepOpened>();
    }

    [Fact]
    public async Task One_that_joins_while_others_park_is_not_waited_for_and_gets_the_next_version_with_them()
    {
        var barrier = Start();
        var first = await JoinedAsync(barrier, 0);
        Tell(barrier, new ParkAll(One));
        await first.ExpectMsgAsync<Park>();
        var late = Join(barrier, 1);
        Tell(barrier, new Parked(Decoder(0), One, DecoderStats.None));

        await ExpectMsgAsync<AllParked>();
        Tell(barrier, new UpdateAll(One));

        Assert.Equal(One, (await late.ExpectMsgAsync<UpdateWeights>()).Version);
        await AssertWaitsForAsync(barrier, 0, 1);
    }

    [Fact]
    public async Task One_that_joins_while_all_are_parked_gets_the_next_version_with_them()
    {
        var barrier = Start();
        await JoinedAsync(barrier, 0);
        await ParkAsync(barrier, 0);
        var late = Join(barrier, 1);

        Tell(barrier, new UpdateAll(One));

        Assert.Equal(One, (await late.ExpectMsgAsync<UpdateWeights>()).Version);
        await AssertWaitsForAsync(barrier, 0, 1);
    }

    [Fact]
    public async Task One_that_joins_during_the_update_gets_the_new_version_and_is_not_waited_for()
    {
        var barrier = Start();
        await JoinedAsync(barrier, 0);
        await ParkAsync(barrier, 0);
        Tell(barrier, new UpdateAll(One));

        Assert.Equal(One, (await Join(barrier, 1).ExpectMsgAsync<UpdateWeights>()).Version);
        await AssertWaitsForAsync(barrier, 0);
    }

    [Fact]
    public async Task A_successor_that_joins_before_word_of_the_loss_is_not_waited_for_to_park()
    {
        var barrier = Start();
        await JoinedAsync(barrier, 0);
        Tell(barrier, new ParkAll(One));
        var successor = Join(barrier, 0, incarnation: 2);

        await ExpectMsgAsync<AllParked>();
        Tell(barrier, new LeaveBarrier(Decoder(0), 1));
        Tell(barrier, new UpdateAll(One));

        Assert.Equal(One, (await successor.ExpectMsgAsync<UpdateWeights>()).Version);
        await AssertWaitsForAsync(barrier, 0);
    }

    [Fact]
    public async Task A_trainer_that_parks_again_is_told_that_all_are_parked()
    {
        var barrier = Start();
        await JoinedAsync(barrier, 0);
        await ParkAsync(barrier, 0);

        Tell(barrier, new ParkAll(One));

        Assert.Equal(One, (await ExpectMsgAsync<AllParked>()).Next);
    }

    private IActorRef Start(PolicyVersion version = default) =>
        Sys.ActorOf(StepBarrierActor.Props(new BarrierSettings { Timeout = Timeout }, version));

    private TestProbe Join(IActorRef barrier, int number, int incarnation = 1)
    {
        var decoder = CreateTestProbe();
        Tell(barrier, new JoinBarrier(Decoder(number), incarnation, decoder));
        return decoder;
    }

    private async Task<TestProbe> JoinedAsync(IActorRef barrier, int number)
    {
        var decoder = Join(barrier, number);
        Assert.Equal(Zero, (await decoder.ExpectMsgAsync<UpdateWeights>()).Version);
        Tell(barrier, new WeightsUpdated(Decoder(number), Zero));
        return decoder;
    }

    private async Task ParkAsync(IActorRef barrier, params int[] decoders)
    {
        Tell(barrier, new ParkAll(One));
        foreach (var decoder in decoders)
            Tell(barrier, new Parked(Decoder(decoder), One, DecoderStats.None));
        Assert.Equal(One, (await ExpectMsgAsync<AllParked>()).Next);
    }

    /// <summary>The update that is under way ends with the last of these and no sooner.</summary>
    private async Task AssertWaitsForAsync(IActorRef barrier, params int[] decoders)
    {
        foreach (var decoder in decoders)
        {
            await SettledAsync(barrier);
            Assert.False(HasMessages);
            Tell(barrier, new WeightsUpdated(Decoder(decoder), One));
        }
        await ExpectMsgAsync<StepOpened>();
    }

    /// <summary>Who says what: 0 … 2 are participants, each on a host of its own, 3 is a stranger.</summary>
    private enum Say
    {
        Here,
        HereForAnotherVersion,
        Gone,
        GoneBefore,
        HostGone,
    }

    private static Arbitrary<(int Who, Say What)[]> Arrivals() => (
        from who in Gen.Choose(0, 3)
        from what in Gen.Elements(Enum.GetValues<Say>())
        select (who, what)).ArrayOf(12).ToArbitrary();

    private void CheckPhase(
        IActorRef barrier,
        (int Who, Say What)[] arrivals,
        Func<DecoderId, PolicyVersion, object> arrive,
        Action<object> isEnd)
    {
        var awaited = new HashSet<int> { 0, 1, 2 };
        // At the end everybody arrives, so that every history has its end.
        foreach (var (who, what) in arrivals.Concat([(0, Say.Here), (1, Say.Here), (2, Say.Here)]))
        {
            var id = Decoder(who, $"host-{who}:1");
            Tell(barrier, what switch
            {
                Say.Here => arrive(id, One),
                Say.HereForAnotherVersion => arrive(id, Zero),
                Say.Gone => new LeaveBarrier(id, 2),
                Say.GoneBefore => new LeaveBarrier(id, 1),
                _ => new HostLost(id.Host),
            });
            if (what is not (Say.HereForAnotherVersion or Say.GoneBefore))
                awaited.Remove(who);
            if (awaited.Count == 0)
                break;
            Tell(barrier, new Identify(who));
            Assert.IsType<ActorIdentity>(ReceiveOne(null));     // before any end of the phase
        }
        isEnd(ReceiveOne(null));
    }
}
