using Rollout.Actors.Decoding;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Sampling;
using Xunit;

namespace Rollout.Actors.Tests.Decoding;

/// <summary>A decoder in the trainer's own process: it rests while the weights that it computes with change.</summary>
public sealed class SharedPolicyTests() : DecoderPolicyTest(_ => new PolicySource.Shared())
{
    [Fact]
    public async Task It_serves_nobody_before_the_barrier_has_told_it_the_policy()
    {
        Assert.Equal(
            new JoinBarrier(Decoder(0), 1, Decoder0, SharesWeights: true, Holds: null),
            await Barrier.ExpectMsgAsync<JoinBarrier>());
        Follow(null);
        Follow(Trainer);
        await SettledAsync(Decoder0);
        Assert.False(Scheduler.HasMessages);

        Update(Zero, offered: false);

        Assert.Equal(Zero, await ServesAsync());
        Assert.Equal(Zero, (await UpdatedAsync()).Policy);
        Assert.Empty(Intake.Fetches);
    }

    [Fact]
    public async Task Park_lets_the_step_at_hand_finish_and_starts_nothing_after_it()
    {
        await ServeAsync();
        using var gate = new StepGate(Runner, closedAt: 4);
        Assign(Groups.Of(1, 10, 60));
        await gate.ReachedAsync();
        Decoder0.Tell(new Park(One), Barrier);
        gate.Open();

        Assert.Equal(One, (await ParkedAsync()).Until);
        var steps = Runner.Steps;
        Assert.InRange(steps, 4, 6);            // the one at hand, and those whose blocks were asked for
        Assert.True(Runner.IsAsleep);
        Assign(Groups.Of(2, 10, 5));
        Decoder0.Tell(new Park(One), Barrier);
        await ParkedAsync();
        await SettledAsync(Decoder0);
        Assert.Equal(steps, Runner.Steps);
    }

    [Fact]
    public async Task Groups_assigned_to_a_parked_decoder_wait_for_the_next_weights()
    {
        await ServeAsync();
        Decoder0.Tell(new Park(One), Barrier);
        await ParkedAsync();
        var group = Groups.Of(1, 10, 6, 7);
        Assign(group);
        var forgotten = Groups.Of(2, 10, 6);
        Assign(forgotten);
        Forget(forgotten.Id);
        await SettledAsync(Decoder0);
        Assert.Equal(0, Runner.Steps);

        Update(One, offered: false);

        Assert.Equal(One, (await UpdatedAsync()).Policy);
        Assert.False(Runner.IsAsleep);
        Groups.AssertExpected(group, await DecodedAsync(group), SamplingRng.SequenceKey, One.Version);
        await AssertIdleAsync();
    }

    [Fact]
    public async Task Weights_older_than_those_it_is_parked_for_do_not_wake_it_nor_does_a_stranger()
    {
        await ServeAsync();
        Decoder0.Tell(new Park(Two), Barrier);
        await ParkedAsync();

        Update(One, offered: false);
        Update(Two, offered: false, trainer: new HostId("elsewhere:1", 4));
        Update(Two with { Run = 5 }, offered: false);
        await SettledAsync(Decoder0);
        Assert.Equal(0, Runner.Version.Value);
        Update(Two, offered: false);

        Assert.Equal(Two, (await UpdatedAsync()).Policy);
    }

    [Fact]
    public async Task After_an_update_no_token_comes_from_keys_and_values_of_the_policy_before()
    {
        await ServeAsync();
        var before = Groups.Of(1, 24, 5);
        Assign(before);
        Groups.AssertExpected(before, await DecodedAsync(before), SamplingRng.SequenceKey);
        using var gate = new StepGate(Runner, closedAt: Runner.Steps + 4);
        var during = Groups.Of(2, 11, 40, 40);
        Assign(during);
        await gate.ReachedAsync();
        Decoder0.Tell(new Park(One), Barrier);
        gate.Open();
        await ParkedAsync();
        var after = Groups.Of(3, 1, 5) with { Prompt = before.Prompt };
        Assign(after);

        Update(One, offered: false);

        Groups.AssertExpected(after, await DecodedAsync(after), SamplingRng.SequenceKey, One.Version);
        foreach (var completion in await DecodedAsync(during))
        {
            Assert.Equal([Zero.Version, One.Version], completion.Sampled.Versions.Select(span => span.Version));
            Groups.AssertSampledAsSaid(during, completion, SamplingRng.SequenceKey);
        }
        // A step that met a block of the old policy would have failed and been tried again.
        Assert.Equal(0, (await UpdateStatsAsync()).StepFailures);
        await AssertIdleAsync();
    }

    [Fact]
    public async Task The_counts_since_the_policy_before_come_with_the_word_that_it_was_taken()
    {
        await ServeAsync();
        var group = Groups.Of(1, 21, 5, 6, 7);
        Assign(group);
        var tokens = (await DecodedAsync(group)).Sum(completion => completion.Tokens.Length);
        Decoder0.Tell(new Park(One), Barrier);
        await ParkedAsync();

        Update(One, offered: false);

        var stats = (await UpdatedAsync()).Stats;
        Assert.Equal((21, tokens, Runner.Steps), (stats.PrefillTokens, stats.NewTokens, stats.Steps));
        Update(One, offered: false);
        Assert.Equal(stats, (await UpdatedAsync()).Stats);      // the answer may have been lost: it is the same
    }

    private async Task ServeAsync()
    {
        Follow(Trainer);
        Update(Zero, offered: false);
        Assert.Equal(Zero, (await UpdatedAsync()).Policy);
    }

    private async Task<DecoderStats> UpdateStatsAsync()
    {
        Decoder0.Tell(new Park(Two), Barrier);
        await ParkedAsync();
        Update(Two, offered: false);
        return (await UpdatedAsync()).Stats;
    }

    private async Task<Parked> ParkedAsync() =>
        (Parked)await Barrier.FishForMessageAsync(message => message is Parked, TimeSpan.FromSeconds(30));

    private async Task<WeightsUpdated> UpdatedAsync() =>
        (WeightsUpdated)await Barrier.FishForMessageAsync(message => message is WeightsUpdated, TimeSpan.FromSeconds(30));
}
