using Rollout.Actors.Protocol;
using Rollout.Actors.Rewards;
using Rollout.Actors.Tests.Support;
using Rollout.Actors.Text;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Rewards;

public sealed class RewardActorTests : RewardActorTest
{
    private static TimeSpan Timeout => Limits.Timeout;

    [Fact]
    public async Task Every_completion_is_scored_with_its_text_in_the_order_of_the_group()
    {
        var seen = new ScoredSample[2];
        var rewards = Start(sample =>
        {
            seen[sample.Tokens.Length == 1 ? 1 : 0] = sample;
            return new(sample.Tokens[0]);
        });

        Tell(rewards, Ask(5, [1, 2], [3]));

        var scored = await ExpectMsgAsync<GroupScored>();
        Assert.Equal(5, scored.Id.Value);
        Assert.Equal([1.0, 3], scored.Rewards);
        Assert.Equal([FakeTokenizer.TextOf([1, 2]), FakeTokenizer.TextOf([3])], scored.Texts);
        Assert.Equal(scored.Texts, seen.Select(sample => sample.Completion));
        Assert.All(seen, sample => Assert.Equal(("item 5", 99), (sample.Item.Id, sample.MaxTokens)));
        Assert.Equal([FinishReason.Stop, FinishReason.Length], seen.Select(sample => sample.Reason));
    }

    [Fact]
    public async Task A_slow_group_holds_up_no_other()
    {
        var slow = new TaskCompletionSource<double?>();
        var rewards = Start(sample => sample.Item.Id == "item 1" ? new(slow.Task) : new(2.0));

        Tell(rewards, Ask(1, [1]), Ask(2, [1]), Ask(3, [1]));

        var quick = new[] { await ExpectMsgAsync<GroupScored>(), await ExpectMsgAsync<GroupScored>() };
        Assert.Equal([2, 3], quick.Select(group => group.Id.Value).Order());
        slow.SetResult(7);
        var last = await ExpectMsgAsync<GroupScored>();
        Assert.Equal([7.0], last.Rewards);
    }

    [Fact]
    public async Task An_exception_fails_the_group_with_its_message()
    {
        var rewards = Start(sample => sample.Tokens[0] == 2
            ? throw new FormatException("the judge answered with HTML")
            : new(1.0));

        Tell(rewards, Ask(1, [1], [2], [3]));

        var failed = await ExpectMsgAsync<ScoringFailed>();
        Assert.Equal(1, failed.Id.Value);
        Assert.Contains("the judge answered with HTML", failed.Reason);
    }

    [Fact]
    public async Task A_completion_that_the_tokenizer_can_not_decode_fails_its_group_alone()
    {
        var rewards = Sys.ActorOf(RewardActor.Props(new PickyTokenizer(), FakeReward.Only((_, _) => new(1.0)), Limits));

        Tell(rewards, Ask(1, [1], [666]), Ask(2, [1]));

        Assert.Equal(
            new ScoringFailed(new GroupId(1), "sample 1 can't be decoded: 666 is no token"), await ExpectMsgAsync<ScoringFailed>());
        Assert.Equal(2, (await ExpectMsgAsync<GroupScored>()).Id.Value);
    }

    [Fact]
    public async Task A_reward_function_that_gives_up_by_itself_fails_its_group_too()
    {
        var rewards = Start(_ => throw new TaskCanceledException("the judge hung up"));

        Tell(rewards, Ask(1, [1]));

        Assert.Contains("the judge hung up", (await ExpectMsgAsync<ScoringFailed>()).Reason);
    }

    [Fact]
    public async Task A_timeout_within_a_reward_is_its_own()
    {
        var rewards = Start(_ => throw new TimeoutException("the judge took 3 s"));

        Tell(rewards, Ask(1, [1]));

        Assert.Equal("reward fake failed: the judge took 3 s", (await ExpectMsgAsync<ScoringFailed>()).Reason);
    }

    [Fact]
    public async Task Rewards_that_are_not_there_in_time_fail_the_group_and_are_told_to_give_up()
    {
        var toldToGiveUp = new TaskCompletionSource();
        var begun = new TaskCompletionSource();
        var rewards = Start((_, cancellation) =>
        {
            cancellation.Register(toldToGiveUp.SetResult);
            begun.SetResult();
            return new(new TaskCompletionSource<double?>().Task);
        });
        Tell(rewards, Ask(1, [1]));
        await begun.Task;
        await SettledAsync(rewards);

        Advance(Timeout);

        Assert.Equal(
            "reward fake took longer than train.reward-timeout, 00:01:00", (await ExpectMsgAsync<ScoringFailed>()).Reason);
        await toldToGiveUp.Task;
    }

    [Fact]
    public async Task The_run_ends_when_more_rewards_go_on_computing_than_may()
    {
        var held = new Held();
        var rewards = Start(new RewardSet(new NamedReward("held", 1, held)));
        foreach (var group in (int[])[1, 2])
        {
            Tell(rewards, Ask(group, [1]));
            await held.NextAsync();
            await SettledAsync(rewards);
            Advance(Timeout);
            await ExpectMsgAsync<ScoringFailed>();
            await SettledAsync(rewards);
            Advance(RewardActor.Grace);
        }

        var reason = (await ExpectMsgAsync<AbandonTraining>()).Reason;
        Assert.StartsWith("2 reward computations did not end 5 s after they were told to", reason);
        Assert.Contains("train.max-stuck-rewards = 1; the last one is reward held for item 2", reason);
    }

    [Fact]
    public async Task A_late_reward_that_ends_by_itself_does_not_count()
    {
        var held = new Held();
        var rewards = Start(new RewardSet(new NamedReward("held", 1, held)));
        Tell(rewards, Ask(1, [1]), Ask(2, [1]), Ask(3, [1]));
        TaskCompletionSource<double?>[] late =
            [(await held.NextAsync()).End, (await held.NextAsync()).End, (await held.NextAsync()).End];
        await SettledAsync(rewards);
        Advance(Timeout);
        for (var group = 0; group < 3; group++)
            await ExpectMsgAsync<ScoringFailed>();

        // Off the test's own context the continuations run within: the actor's messages are sent when this returns.
        await Task.Run(() => Array.ForEach(late, end => end.SetResult(1)));
        await SettledAsync(rewards);
        Advance(RewardActor.Grace);
        Tell(rewards, Ask(9, [1]));
        (await held.NextAsync()).End.SetResult(1);

        await ExpectMsgAsync<GroupScored>();
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public async Task A_reward_that_is_no_number_fails_the_group(double reward)
    {
        var rewards = Start(sample => new(sample.Tokens[0] == 2 ? reward : 1));

        Tell(rewards, Ask(1, [1], [2]));

        Assert.Contains("sample 1", (await ExpectMsgAsync<ScoringFailed>()).Reason);
    }

    [Fact]
    public async Task Rewards_under_way_are_told_to_give_up_when_the_actor_stops()
    {
        var begun = new TaskCompletionSource();
        var toldToGiveUp = new TaskCompletionSource();
        var rewards = Start(
            (_, cancellation) =>
            {
                cancellation.Register(toldToGiveUp.SetResult);
                begun.SetResult();
                return new(new TaskCompletionSource<double?>().Task);
            });
        Tell(rewards, Ask(1, [1]));
        await begun.Task.WaitAsync(TimeSpan.FromSeconds(30));

        Sys.Stop(rewards);

        await toldToGiveUp.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    private sealed class PickyTokenizer : ITokenizer
    {
        public int[] Encode(string text, CancellationToken cancellation = default) => [];

        public string Decode(ReadOnlySpan<int> ids, bool keepSpecialTokens = false) =>
            ids.Contains(666) ? throw new ArgumentException("666 is no token") : FakeTokenizer.TextOf(ids);
    }
}
