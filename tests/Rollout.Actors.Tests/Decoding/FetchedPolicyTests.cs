using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Decoding;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Sampling;
using Xunit;

namespace Rollout.Actors.Tests.Decoding;

/// <summary>A decoder of a host that has no trainer: it goes on while it fetches, and swaps between two steps.</summary>
public sealed class FetchedPolicyTests() : DecoderPolicyTest(intake => new PolicySource.Fetched(intake))
{
    [Fact]
    public async Task Where_nobody_trains_it_serves_what_it_loaded()
    {
        Assert.Equal(
            new JoinBarrier(Decoder(0), 1, Decoder0, SharesWeights: false, Holds: null),
            await Barrier.ExpectMsgAsync<JoinBarrier>());
        Follow(null);

        Assert.Equal(new Policy(Run: 0, default), await ServesAsync());
    }

    [Fact]
    public async Task A_decoder_that_leaves_before_it_serves_announces_no_weights()
    {
        Tell(Decoder0, new Drain());

        Assert.Equal(new Drained(Decoder(0), 0), await ExpectMsgAsync<Drained>());
        Assert.False(Scheduler.HasMessages);
    }

    [Fact]
    public async Task Where_somebody_trains_it_serves_nobody_before_it_has_the_current_weights()
    {
        Follow(Trainer);
        Update(Two);
        var fetch = await FetchAsync(0);
        await SettledAsync(Decoder0);
        Assert.False(Scheduler.HasMessages);

        fetch.Arrive();

        Assert.Equal(Two, await ServesAsync());
        Assert.Equal(Two, (await UpdatedAsync()).Policy);
        Assert.Equal(2, Runner.Version.Value);
        Assert.True(fetch.IsDisposed);
    }

    [Fact]
    public async Task A_decoder_that_the_trainer_does_not_answer_says_every_minute_whom_it_waits_for()
    {
        var log = CreateTestProbe();
        Sys.EventStream.Subscribe(log, typeof(Warning));
        await PassAMinuteAsync();
        Assert.Contains("waits for the cluster's trainer", (await log.ExpectMsgAsync<Warning>()).ToString());

        Follow(Trainer);
        await PassAMinuteAsync();

        Assert.Contains($"waits for {Trainer}", (await log.ExpectMsgAsync<Warning>()).ToString());
        Assert.False(log.HasMessages);

        async Task PassAMinuteAsync()
        {
            for (var asked = 0; asked < 12; asked++)
            {
                await SettledAsync(Decoder0);
                Advance(TimeSpan.FromSeconds(5));
            }
            await SettledAsync(Decoder0);
        }
    }

    [Fact]
    public async Task It_goes_on_decoding_while_it_fetches_and_swaps_between_two_steps()
    {
        await ServeAsync(One);
        using var gate = new StepGate(Runner, closedAt: 6);
        var group = Groups.Of(2, 11, 40, 40);
        Assign(group);
        await gate.ReachedAsync();
        Update(Two);
        gate.Open();
        var fetch = await FetchAsync(1);
        fetch.Arrive();

        Assert.Equal(Two, (await UpdatedAsync()).Policy);
        foreach (var completion in await DecodedAsync(group))
        {
            Groups.AssertSampledAsSaid(group, completion, SamplingRng.SequenceKey);
            Assert.Equal(1, completion.Sampled.Versions[0].Version.Value);
        }
        await AssertIdleAsync();
    }

    [Fact]
    public async Task Samples_that_require_the_old_policy_go_back_with_their_tokens()
    {
        await ServeAsync(One);
        Intake.ArrivesAtOnce = true;
        using var gate = new StepGate(Runner, closedAt: 6);
        var (bound, free) = (Groups.Of(2, 11, 40, 40), Groups.Of(3, 9, 40));
        Assign(bound, required: One);
        Assign(free);
        await gate.ReachedAsync();
        Update(Two);
        gate.Open();

        foreach (var sample in await EndedAsync(bound))
        {
            Assert.True(sample.HandedBack);
            Assert.NotEmpty(sample.Sampled.Tokens);
            Assert.Equal(
                Groups.Expected(bound, sample.Sample, SamplingRng.SequenceKey, One.Version)[..sample.Sampled.Tokens.Length],
                sample.Sampled.Tokens);
            Assert.Equal([new VersionSpan(One, 0)], sample.Sampled.Versions);
        }
        Assert.Equal(Two, LastReport!.Policy);
        var completion = (await DecodedAsync(free))[0];
        Assert.Equal([One, Two], completion.Sampled.Versions.Select(span => span.Policy));
        Groups.AssertSampledAsSaid(free, completion, SamplingRng.SequenceKey);
        await AssertIdleAsync();
    }

    [Fact]
    public async Task What_requires_another_policy_than_it_holds_goes_back_untouched()
    {
        await ServeAsync(One);
        var group = Groups.Of(2, 11, 40, 40);

        Assign(group, required: Two);

        Assert.All(await EndedAsync(group), sample =>
        {
            Assert.True(sample.HandedBack);
            Assert.Empty(sample.Sampled.Tokens);
        });
        Assert.Equal(0, Runner.Steps);
    }

    [Fact]
    public async Task Equal_numbers_of_two_runs_are_told_apart_in_what_they_sampled()
    {
        var next = One with { Run = 78 };
        await ServeAsync(One);
        Intake.ArrivesAtOnce = true;
        using var gate = new StepGate(Runner, closedAt: 6);
        var group = Groups.Of(2, 11, 40);
        Assign(group);
        await gate.ReachedAsync();
        Update(next);
        gate.Open();

        Assert.Equal([One, next], (await DecodedAsync(group))[0].Sampled.Versions.Select(span => span.Policy));
    }

    [Fact]
    public async Task Steps_go_on_as_long_as_the_weights_have_not_arrived()
    {
        await ServeAsync(One);
        Update(Two);
        await FetchAsync(1);
        var group = Groups.Of(3, 9, 12, 17);
        Assign(group);

        Groups.AssertExpected(group, await DecodedAsync(group), SamplingRng.SequenceKey, One.Version);
    }

    [Fact]
    public async Task An_equal_number_of_another_run_hits_nothing_of_this_one()
    {
        await ServeAsync(One);
        var group = Groups.Of(1, 24, 5);
        Assign(group);
        await DecodedAsync(group);

        // The fake model's keys and values differ by version alone: what counts is that the prompt is computed again.
        Update(One with { Run = 78 });
        (await FetchAsync(1)).Arrive();
        await UpdatedAsync();
        var alike = Groups.Of(2, 1, 5) with { Prompt = group.Prompt };
        Assign(alike);
        await DecodedAsync(alike);

        Assert.Equal(24, (await StatsAsync()).PrefillTokens);
    }

    [Fact]
    public async Task A_run_that_counts_from_a_smaller_number_is_taken()
    {
        await ServeAsync(Two);

        Update(One with { Run = 78 });
        (await FetchAsync(1)).Arrive();

        Assert.Equal(One with { Run = 78 }, (await UpdatedAsync()).Policy);
        Assert.Equal(1, Runner.Version.Value);
    }

    [Fact]
    public async Task Word_of_an_older_policy_or_of_somebody_who_does_not_train_means_nothing()
    {
        await ServeAsync(One);

        Update(Zero);
        Update(Two, trainer: new HostId(Trainer.Address, 2));
        Update(One);        // answered again, for the case that the answer was lost

        Assert.Equal(One, (await UpdatedAsync()).Policy);
        Assert.Single(Intake.Fetches);
    }

    [Fact]
    public async Task The_same_offer_again_is_fetched_once()
    {
        await ServeAsync(One);
        Update(Two);
        Update(Two);
        (await FetchAsync(1)).Arrive();

        Assert.Equal(Two, (await UpdatedAsync()).Policy);
        Assert.Equal(2, Intake.Fetches.Count);
    }

    [Fact]
    public async Task A_newer_offer_takes_the_place_of_one_that_is_on_its_way()
    {
        await ServeAsync(Zero);
        Update(One);
        var old = await FetchAsync(1);
        Update(Two);
        (await FetchAsync(2)).Arrive();

        Assert.Equal(Two, (await UpdatedAsync()).Policy);
        Assert.True(old.Arrived.Task.IsCanceled);
    }

    [Fact]
    public async Task Weights_that_can_not_be_had_are_said_and_what_it_has_goes_on()
    {
        await ServeAsync(One);
        Update(Two);
        (await FetchAsync(1)).Fail("no route to host");

        var failed = (WeightsNotTaken)await Barrier.FishForMessageAsync(message => message is WeightsNotTaken);
        Assert.Equal(new WeightsNotTaken(Decoder(0), 1, Two, "no route to host"), failed);
        var group = Groups.Of(1, 10, 8);
        Assign(group);
        Groups.AssertExpected(group, await DecodedAsync(group), SamplingRng.SequenceKey, One.Version);

        // The barrier tells it again when it says again that it is there.
        Advance(TimeSpan.FromSeconds(5));
        var join = (JoinBarrier)await Barrier.FishForMessageAsync(message => message is JoinBarrier { Holds: not null });
        Assert.Equal(One, join.Holds);
        Update(Two);
        (await FetchAsync(2)).Arrive();
        Assert.Equal(Two, (await UpdatedAsync()).Policy);
    }

    [Fact]
    public async Task A_trainer_that_offers_nothing_is_told_so()
    {
        Follow(Trainer);
        Update(One, offered: false);

        var failed = (WeightsNotTaken)await Barrier.FishForMessageAsync(message => message is WeightsNotTaken);

        Assert.Contains("offers no weights to other processes", failed.Reason);
    }

    [Fact]
    public async Task When_the_trainer_is_gone_it_serves_what_it_has_and_joins_the_next()
    {
        await ServeAsync(One);
        Update(Two);
        var onItsWay = await FetchAsync(1);
        Follow(null);
        await AwaitAssertAsync(() => Assert.True(onItsWay.Arrived.Task.IsCanceled));
        var group = Groups.Of(1, 10, 8);
        Assign(group);
        Groups.AssertExpected(group, await DecodedAsync(group), SamplingRng.SequenceKey, One.Version);

        var next = new HostId("trainer:2", 1);
        Follow(next);
        var join = (JoinBarrier)await Barrier.FishForMessageAsync(message => message is JoinBarrier { Holds: not null });
        Assert.Equal(One, join.Holds);
        Update(Zero with { Run = 78 }, trainer: next);
        (await FetchAsync(2)).Arrive();

        Assert.Equal(Zero with { Run = 78 }, (await UpdatedAsync()).Policy);
    }

    [Fact]
    public async Task Weights_that_arrive_after_its_end_are_given_back()
    {
        await ServeAsync(One);
        Update(Two);
        var fetch = await FetchAsync(1);
        await WatchAsync(Decoder0);

        Sys.Stop(Decoder0);
        await ExpectTerminatedAsync(Decoder0);

        Assert.True(fetch.Arrived.Task.IsCanceled);
    }

    private async Task ServeAsync(Policy policy)
    {
        Follow(Trainer);
        Update(policy);
        (await FetchAsync(0)).Arrive();
        Assert.Equal(policy, await ServesAsync());
        Assert.Equal(policy, (await UpdatedAsync()).Policy);
    }

    private async Task<WeightsUpdated> UpdatedAsync() =>
        (WeightsUpdated)await Barrier.FishForMessageAsync(message => message is WeightsUpdated, TimeSpan.FromSeconds(30));

    private async Task<DecoderStats> StatsAsync() =>
        await Decoder0.Ask<DecoderStats>(new QueryDecoderStats(Reset: false), TimeSpan.FromSeconds(30));
}
