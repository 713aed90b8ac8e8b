using System.Collections.Concurrent;
using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Actors.Rewards;
using Rollout.Actors.Tests.Support;
using Xunit;

namespace Rollout.Actors.Tests.Rewards;

/// <summary>What the reward actor calls, with how many samples, and when.</summary>
public sealed class RewardCallTests : RewardActorTest
{
    [Fact]
    public async Task Samples_are_scored_beside_each_other_up_to_the_bound()
    {
        var held = new Held();
        var rewards = Start(new RewardSet(new NamedReward("held", 1, held)), Limits with { Concurrency = 2 });
        Tell(rewards, Ask(1, [1], [2], [3]));

        var first = await held.NextAsync();
        var second = await held.NextAsync();
        await SettledAsync(rewards);
        Assert.True(held.IsQuiet);
        first.End.SetResult(10);
        var third = await held.NextAsync();
        third.End.SetResult(30);
        second.End.SetResult(20);

        Assert.Equal(60, (await ExpectMsgAsync<GroupScored>()).Rewards.Sum());
    }

    [Fact]
    public async Task A_slow_function_holds_up_no_other_function()
    {
        var (slow, quick) = (new Held(), new Held());
        var rewards = Start(
            new RewardSet(new NamedReward("slow", 1, slow), new NamedReward("quick", 1, quick)), Limits with { Concurrency = 1 });
        Tell(rewards, Ask(1, [1]), Ask(2, [1]));

        var waiting = await slow.NextAsync();
        (await quick.NextAsync()).End.SetResult(1);
        (await quick.NextAsync()).End.SetResult(1);
        waiting.End.SetResult(1);
        (await slow.NextAsync()).End.SetResult(1);

        await ExpectMsgAsync<GroupScored>();
        await ExpectMsgAsync<GroupScored>();
    }

    [Fact]
    public async Task A_deadline_starts_when_the_scoring_starts_and_not_before()
    {
        var held = new Held();
        var rewards = Start(new RewardSet(new NamedReward("held", 1, held)), Limits with { Concurrency = 1 });
        Tell(rewards, Ask(1, [1], [2]));

        for (var sample = 0; sample < 2; sample++)
        {
            var (_, end) = await held.NextAsync();
            await SettledAsync(rewards);
            Advance(Limits.Timeout * 0.75);
            end.SetResult(1);
        }

        await ExpectRewardsAsync(1.0, 1);
    }

    [Fact]
    public async Task Each_functions_values_come_with_the_sum_of_those_that_judge_a_sample()
    {
        var rewards = Start(new RewardSet(
            new NamedReward("first", 2, new FakeReward((sample, _) => new(sample.Tokens[0] == 2 ? null : 1))),
            new NamedReward("second", -1, new FakeReward((sample, _) => new(sample.Tokens[0] == 1 ? 0.5 : null)))));

        Tell(rewards, Ask(1, [1], [2], [3]));

        var scored = await ExpectMsgAsync<GroupScored>();
        Assert.Equal([1.5, double.NaN, 2], scored.Rewards);
        Assert.Equal(["first", "second"], scored.ByFunction.Select(function => function.Name));
        Assert.Equal([1, double.NaN, 1], scored.ByFunction[0].Values);
        Assert.Equal([0.5, double.NaN, double.NaN], scored.ByFunction[1].Values);
    }

    [Fact]
    public async Task A_group_reward_gets_the_whole_group_at_once()
    {
        var rewards = Start(new RewardSet(new NamedReward("rank", 1, new Ranks())));

        Tell(rewards, Ask(1, [5], [9], [7]));

        await ExpectRewardsAsync(0.0, 2, 1);
    }

    [Fact]
    public async Task A_batch_is_scored_when_it_is_full_and_the_rest_when_it_has_waited()
    {
        var sums = new Batches(new BatchLimits(3, TimeSpan.FromSeconds(1)));
        var rewards = Start(new RewardSet(new NamedReward("sum", 1, sums)));
        Tell(rewards, Ask(1, [1], [2]), Ask(2, [3], [4]));

        await ExpectRewardsAsync(1.0, 2);
        Advance(TimeSpan.FromSeconds(1));

        await ExpectRewardsAsync(3.0, 4);
        Assert.Equal(["1 2 3", "4"], sums.Seen);
    }

    [Fact]
    public async Task A_batch_that_fails_is_scored_group_by_group_and_only_the_bad_group_fails()
    {
        var sums = new Batches(new BatchLimits(4, TimeSpan.FromSeconds(1)), bad: 3);
        var rewards = Start(new RewardSet(new NamedReward("sum", 1, sums)));

        Tell(rewards, Ask(1, [1], [2]), Ask(2, [3], [4]));

        object[] answers = [await ExpectMsgAsync<object>(), await ExpectMsgAsync<object>()];
        Assert.Equal(1, Assert.Single(answers.OfType<GroupScored>()).Id.Value);
        Assert.Equal(2, Assert.Single(answers.OfType<ScoringFailed>()).Id.Value);
        Assert.Equal(["1 2", "1 2 3 4", "3 4"], sums.Seen.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_batch_reward_runs_no_more_batches_at_once_than_it_says()
    {
        var rewards = new RewardSet(
            new NamedReward("sum", 1, new Batches(new BatchLimits(1, TimeSpan.FromSeconds(1), AtOnce: 2))));
        var queue = new RewardQueue(rewards.Functions[0], 0, 4);
        queue.Add(new GroupScoring(
            Ask(1, [1], [2], [3]), ActorRefs.Nobody, [.. Enumerable.Repeat(Samples.Of("x"), 3)], rewards));

        Assert.Equal(2, queue.TakeReady().Count());
        queue.Release();
        Assert.Single(queue.TakeReady());
    }

    [Fact]
    public async Task A_reward_that_can_be_retried_is_called_again_after_a_pause()
    {
        var calls = new ConcurrentQueue<long>();
        var rewards = Start(_ =>
        {
            calls.Enqueue(Clock.GetTimestamp());
            return calls.Count < 3 ? throw new RetryableRewardException("busy") : new(7);
        });
        Tell(rewards, Ask(1, [1]));

        await AdvanceUntilAsync(rewards, () => calls.Count == 3);

        await ExpectRewardsAsync(7.0);
        var times = calls.ToArray();
        Assert.True(Clock.GetElapsedTime(times[0], times[1]) >= TimeSpan.FromSeconds(1));
        Assert.True(Clock.GetElapsedTime(times[1], times[2]) >= TimeSpan.FromSeconds(2));
    }

    [Fact]
    public async Task A_reward_that_fails_each_try_fails_its_group_with_the_last_message()
    {
        var calls = 0;
        var rewards = Start(_ => throw new RetryableRewardException($"busy {Interlocked.Increment(ref calls)}"));
        Tell(rewards, Ask(1, [1]));

        await AdvanceUntilAsync(rewards, () => Volatile.Read(ref calls) == 3);

        Assert.Equal("reward fake failed: busy 3", (await ExpectMsgAsync<ScoringFailed>()).Reason);
    }

    [Fact]
    public async Task Rewards_of_a_group_that_has_failed_are_told_to_give_up()
    {
        var held = new TaskCompletionSource();
        var rewards = Start(async (sample, cancellation) =>
        {
            if (sample.Tokens[0] == 1)
            {
                cancellation.Register(held.SetResult);
                await held.Task;
                return 1;
            }
            throw new InvalidDataException("no answer");
        });

        Tell(rewards, Ask(1, [1], [2]));

        Assert.Equal("reward fake failed: no answer", (await ExpectMsgAsync<ScoringFailed>()).Reason);
        await held.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Theory]
    [InlineData(1, null, 1)]
    [InlineData(2, null, 2)]
    [InlineData(5, null, 16)]
    [InlineData(99, null, 60)]
    [InlineData(1, 7, 7)]
    [InlineData(4, 7, 8)]
    [InlineData(1, 3600, 60)]
    public void A_pause_doubles_up_to_a_minute_and_is_as_long_as_asked(int tries, int? atLeast, int seconds) =>
        Assert.Equal(
            TimeSpan.FromSeconds(seconds),
            Limits.PauseAfter(tries, atLeast is { } asked ? TimeSpan.FromSeconds(asked) : null));

    private async Task ExpectRewardsAsync(params double[] rewards) =>
        Assert.Equal(rewards, (await ExpectMsgAsync<GroupScored>()).Rewards);

    private async Task AdvanceUntilAsync(IActorRef rewards, Func<bool> done)
    {
        while (!done())
        {
            Advance(TimeSpan.FromMilliseconds(100));
            await SettledAsync(rewards);
        }
    }

    /// <summary>Ranks the samples of a group by their first token.</summary>
    private sealed class Ranks : IGroupReward
    {
        public ValueTask<IReadOnlyList<double?>> ScoreAsync(
            IReadOnlyList<ScoredSample> group, CancellationToken cancellation)
        {
            var tokens = group.Select(sample => sample.Tokens[0]).ToArray();
            return new([.. tokens.Select(token => (double?)tokens.Count(other => other < token))]);
        }
    }

    /// <summary>Gives each sample its first token, and fails on a bad one.</summary>
    private sealed class Batches(BatchLimits limits, int bad = 0) : IBatchReward
    {
        public ConcurrentQueue<string> Seen { get; } = [];

        public BatchLimits Limits => limits;

        public ValueTask<IReadOnlyList<double?>> ScoreAsync(
            IReadOnlyList<ScoredSample> batch, CancellationToken cancellation)
        {
            Seen.Enqueue(string.Join(' ', batch.Select(sample => sample.Tokens[0])));
            if (batch.Any(sample => sample.Tokens[0] == bad))
                throw new InvalidDataException("a bad sample");
            return new([.. batch.Select(sample => (double?)sample.Tokens[0])]);
        }
    }
}
