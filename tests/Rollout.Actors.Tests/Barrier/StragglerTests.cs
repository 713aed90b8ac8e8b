using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Barrier;

/// <summary>Decoders of other hosts that can't keep up with the trainer: who waits for them, and how long.</summary>
public sealed class StragglerTests : StepBarrierTest
{
    private static readonly TimeSpan TransferTime = Deadlines.TransferTimeout + Deadlines.Timeout;

    [Fact]
    public async Task A_host_that_takes_no_weights_is_waited_for_once_and_not_at_every_step()
    {
        var barrier = Start();
        var slow = await JoinedAsync(barrier, Elsewhere(0));
        await JoinedAsync(barrier, Elsewhere(1));
        await BeginUpdateAsync(barrier, One);
        Tell(barrier, Updated(Elsewhere(1), One));
        await PassAsync(barrier, TransferTime);
        Assert.Equal(One, (await ExpectMsgAsync<StepOpened>()).Policy);

        for (var step = 2; step <= 4; step++)
        {
            Join(barrier, Elsewhere(0), holds: Zero, again: slow);      // it says every 5 s that it is there
            await BeginUpdateAsync(barrier, Step(step));
            Tell(barrier, Updated(Elsewhere(1), Step(step)));
            Assert.Equal(Step(step), (await ExpectMsgAsync<StepOpened>()).Policy);
        }
    }

    [Fact]
    public async Task A_host_that_has_caught_up_in_time_is_waited_for_again()
    {
        var barrier = Start();
        await JoinedAsync(barrier, Elsewhere(0));
        await JoinedAsync(barrier, Elsewhere(1));
        await BeginUpdateAsync(barrier, One);
        Tell(barrier, Updated(Elsewhere(1), One));
        await PassAsync(barrier, TransferTime);
        await ExpectMsgAsync<StepOpened>();
        await BeginUpdateAsync(barrier, Step(2));
        Tell(barrier, Updated(Elsewhere(1), Step(2)));
        await ExpectMsgAsync<StepOpened>();

        Tell(barrier, Updated(Elsewhere(0), Step(2)));
        await BeginUpdateAsync(barrier, Step(3));
        Tell(barrier, Updated(Elsewhere(1), Step(3)));
        await SettledAsync(barrier);
        Assert.False(HasMessages);
        Tell(barrier, Updated(Elsewhere(0), Step(3)));

        Assert.Equal(Step(3), (await ExpectMsgAsync<StepOpened>()).Policy);
    }

    [Fact]
    public async Task A_host_that_takes_the_weights_late_in_every_long_step_holds_up_none_of_them()
    {
        var barrier = Start();
        await JoinedAsync(barrier, Elsewhere(0));
        await JoinedAsync(barrier, Elsewhere(1));
        await BeginUpdateAsync(barrier, One);
        Tell(barrier, Updated(Elsewhere(1), One));
        await PassAsync(barrier, TransferTime);
        await ExpectMsgAsync<StepOpened>();
        for (var step = 2; step <= 4; step++)
        {
            Tell(barrier, Updated(Elsewhere(0), Step(step - 1)));       // after its deadline, while the step samples
            await BeginUpdateAsync(barrier, Step(step));
            Tell(barrier, Updated(Elsewhere(1), Step(step)));
            Assert.Equal(Step(step), (await ExpectMsgAsync<StepOpened>()).Policy);
            await PassAsync(barrier, TransferTime);
        }
    }

    [Fact]
    public async Task While_nobody_has_the_weights_decoders_that_fetch_are_waited_for()
    {
        var barrier = Start();
        var (first, second) = (await JoinedAsync(barrier, Elsewhere(0)), await JoinedAsync(barrier, Elsewhere(1)));
        await BeginUpdateAsync(barrier, One);
        for (var time = 0; time < 3; time++)
        {
            Join(barrier, Elsewhere(0), holds: Zero, again: first);
            Join(barrier, Elsewhere(1), holds: Zero, again: second);
            await PassAsync(barrier, TransferTime);
            Assert.False(HasMessages);
        }

        Tell(barrier, Updated(Elsewhere(0), One, steps: 2));

        Assert.Equal(2, (await ExpectMsgAsync<StepOpened>()).Stats.Steps);
    }

    [Fact]
    public async Task A_silent_host_is_waited_for_no_longer_even_where_nobody_has_the_weights()
    {
        var barrier = Start();
        var fetching = await JoinedAsync(barrier, Elsewhere(0));
        await JoinedAsync(barrier, Elsewhere(1));
        await BeginUpdateAsync(barrier, One);
        Join(barrier, Elsewhere(0), holds: Zero, again: fetching);
        await PassAsync(barrier, TransferTime);
        Assert.False(HasMessages);

        await PassAsync(barrier, TransferTime);

        Assert.Equal(One, (await ExpectMsgAsync<StepOpened>()).Policy);
    }

    [Fact]
    public async Task A_decoder_that_has_just_joined_is_told_the_policy_and_not_waited_for()
    {
        var barrier = Start();
        await JoinedAsync(barrier, Elsewhere(0));
        var fresh = Join(barrier, Elsewhere(1));
        await fresh.ExpectMsgAsync<UpdateWeights>();

        await BeginUpdateAsync(barrier, One);

        Assert.Equal(One, (await fresh.ExpectMsgAsync<UpdateWeights>()).Policy);
        Tell(barrier, Updated(Elsewhere(0), One));
        await ExpectMsgAsync<StepOpened>();
    }

    [Fact]
    public async Task A_message_that_was_overtaken_does_not_undo_the_newer_policy()
    {
        var barrier = Start();
        var decoder = await JoinedAsync(barrier, Elsewhere(0));
        await JoinedAsync(barrier, Elsewhere(1));
        await BeginUpdateAsync(barrier, One);
        Tell(barrier, Updated(Elsewhere(0), One), Updated(Elsewhere(1), One));
        await ExpectMsgAsync<StepOpened>();
        Join(barrier, Elsewhere(0), holds: Zero, again: decoder);       // sent before, by way of its proxy

        await BeginUpdateAsync(barrier, Step(2));
        Tell(barrier, Updated(Elsewhere(1), Step(2)));
        await SettledAsync(barrier);

        Assert.False(HasMessages);
    }

    [Fact]
    public async Task The_trainer_hears_every_ten_seconds_who_is_waited_for()
    {
        var barrier = Start();
        await JoinedAsync(barrier, Decoder(0));
        IgnoreNoMessages();
        Tell(barrier, new ParkAll(One));

        await PassAsync(barrier, TimeSpan.FromSeconds(10));

        var waits = await ExpectMsgAsync<BarrierWaits>();
        Assert.Equal((One, Decoder(0)), (waits.Policy, Assert.Single(waits.Missing)));
    }

    private static Policy Step(int number) => Zero with { Version = new PolicyVersion(number) };

    private async Task BeginUpdateAsync(IActorRef barrier, Policy policy)
    {
        Tell(barrier, new ParkAll(policy));
        await ExpectMsgAsync<AllParked>();
        Tell(barrier, new UpdateAll(policy, Offer(policy)));
    }
}
