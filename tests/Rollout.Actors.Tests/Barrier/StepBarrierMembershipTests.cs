using Akka.Actor;
using Rollout.Actors.Protocol;
using Xunit;

namespace Rollout.Actors.Tests.Barrier;

/// <summary>Who comes and goes while a step barrier is under way.</summary>
public sealed class StepBarrierMembershipTests : StepBarrierTest
{
    [Theory]
    [InlineData("before", "failed")]
    [InlineData("before", "with its host")]
    [InlineData("before", "silently")]
    [InlineData("while the others park", "failed")]
    [InlineData("while the others park", "with its host")]
    [InlineData("while the others park", "silently")]
    [InlineData("when all are parked", "failed")]
    [InlineData("when all are parked", "with its host")]
    [InlineData("when all are parked", "silently")]
    [InlineData("while the others update", "failed")]
    [InlineData("while the others update", "with its host")]
    [InlineData("while the others update", "silently")]
    public async Task A_decoder_that_is_gone_is_waited_for_in_no_later_phase(string when, string how)
    {
        var barrier = Start();
        await JoinedAsync(barrier, Decoder(0));
        var id = Elsewhere(7);
        var decoder = await JoinedAsync(barrier, id);
        void GoneIf(string now)
        {
            if (when != now)
                return;
            if (how == "silently")
                Sys.Stop(decoder);
            else
                Tell(barrier, how == "failed" ? new LeaveBarrier(id, 1) : new HostLost(id.Host));
        }

        GoneIf("before");
        Tell(barrier, new ParkAll(One));
        GoneIf("while the others park");
        Tell(barrier, new Parked(Decoder(0), One));
        await ExpectMsgAsync<AllParked>();
        GoneIf("when all are parked");
        Publish(barrier);
        Tell(barrier, Updated(Decoder(0), One));
        GoneIf("while the others update");
        await ExpectMsgAsync<StepOpened>();
        Tell(barrier, new ParkAll(Two), new Parked(Decoder(0), Two));
        await ExpectMsgAsync<AllParked>();
        Tell(barrier, new UpdateAll(Two, Offer(Two)), Updated(Decoder(0), Two));

        Assert.Equal(Two, (await ExpectMsgAsync<StepOpened>()).Policy);
    }

    [Fact]
    public async Task A_late_message_of_a_lost_host_brings_it_back_in_no_phase()
    {
        var barrier = Start();
        Tell(barrier, new HostLost(Elsewhere(1).Host));
        Join(barrier, Elsewhere(1));

        await ParkAsync(barrier);
        Join(barrier, Elsewhere(1));
        Publish(barrier);

        await ExpectMsgAsync<StepOpened>();
    }

    [Fact]
    public async Task A_new_process_at_the_address_of_a_lost_one_takes_part()
    {
        var barrier = Start();
        var host = Elsewhere(1).Host;
        Tell(barrier, new HostLost(host));

        var successor = Elsewhere(1) with { Host = host with { Uid = host.Uid + 1 } };

        Assert.Equal(Zero, (await Join(barrier, successor).ExpectMsgAsync<UpdateWeights>()).Policy);
    }

    [Fact]
    public async Task A_decoder_that_joins_while_others_park_gets_the_next_policy_with_them()
    {
        var barrier = Start();
        var first = await JoinedAsync(barrier, Decoder(0));
        Tell(barrier, new ParkAll(One));
        await first.ExpectMsgAsync<Park>();
        var late = Join(barrier, Decoder(1));
        Tell(barrier, new Parked(Decoder(0), One));

        await ExpectMsgAsync<AllParked>();
        Publish(barrier);

        Assert.Equal(One, (await late.ExpectMsgAsync<UpdateWeights>()).Policy);
        await AssertWaitsForAsync(barrier, Decoder(0), Decoder(1));
    }

    [Fact]
    public async Task A_decoder_that_joins_again_while_it_parks_is_still_waited_for()
    {
        var barrier = Start();
        var decoder = await JoinedAsync(barrier, Decoder(0));
        Tell(barrier, new ParkAll(One));
        await decoder.ExpectMsgAsync<Park>();

        Join(barrier, Decoder(0), holds: Zero, again: decoder);
        await SettledAsync(barrier);
        Assert.False(HasMessages);

        Tell(barrier, new Parked(Decoder(0), One));
        await ExpectMsgAsync<AllParked>();
    }

    [Fact]
    public async Task A_decoder_that_joins_while_all_are_parked_is_told_and_not_waited_for()
    {
        var barrier = Start();
        await JoinedAsync(barrier, Decoder(0));
        await ParkAsync(barrier, Decoder(0));
        var late = Join(barrier, Elsewhere(1));

        Publish(barrier);

        Assert.Equal(One, (await late.ExpectMsgAsync<UpdateWeights>()).Policy);
        await AssertWaitsForAsync(barrier, Decoder(0));
    }

    [Fact]
    public async Task A_decoder_that_joins_during_the_update_is_told_and_not_waited_for()
    {
        var barrier = Start();
        await JoinedAsync(barrier, Decoder(0));
        await ParkAsync(barrier, Decoder(0));
        Publish(barrier);

        Assert.Equal(One, (await Join(barrier, Elsewhere(1)).ExpectMsgAsync<UpdateWeights>()).Policy);
        await AssertWaitsForAsync(barrier, Decoder(0));
    }

    [Fact]
    public async Task A_successor_that_joins_before_the_loss_is_reported_need_not_park()
    {
        var barrier = Start();
        await JoinedAsync(barrier, Decoder(0));
        Tell(barrier, new ParkAll(One));
        var successor = Join(barrier, Decoder(0), incarnation: 2);

        await ExpectMsgAsync<AllParked>();
        Tell(barrier, new LeaveBarrier(Decoder(0), 1));
        Publish(barrier);

        Assert.Equal(One, (await successor.ExpectMsgAsync<UpdateWeights>()).Policy);
        await AssertWaitsForAsync(barrier, Decoder(0));
    }

    [Fact]
    public async Task A_decoder_that_cannot_fetch_holds_up_nobody_and_is_told_again_when_it_joins()
    {
        var barrier = Start();
        await JoinedAsync(barrier, Elsewhere(0));
        var unlucky = await JoinedAsync(barrier, Elsewhere(1));
        await ParkAsync(barrier);
        Publish(barrier);
        Assert.Equal(One, (await unlucky.ExpectMsgAsync<UpdateWeights>()).Policy);
        Tell(barrier, new WeightsNotTaken(Elsewhere(1), 1, Zero, "late word of the policy before"));

        Tell(barrier, new WeightsNotTaken(Elsewhere(1), 1, One, "no route to host"));

        await AssertWaitsForAsync(barrier, Elsewhere(0));
        Join(barrier, Elsewhere(1), holds: Zero, again: unlucky);
        Assert.Equal(One, (await unlucky.ExpectMsgAsync<UpdateWeights>()).Policy);
    }

    [Fact]
    public async Task Only_a_decoder_of_the_trainers_own_process_can_share_its_memory()
    {
        var barrier = Start();
        Tell(barrier, new JoinBarrier(Elsewhere(1), 1, ActorRefs.Nobody, SharesWeights: true, null));

        await ParkAsync(barrier);
        Publish(barrier);

        await ExpectMsgAsync<StepOpened>();
    }
}
