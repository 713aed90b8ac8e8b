using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Actors.Tests.Support;
using Rollout.Actors.Training;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Training;

/// <summary>Groups without signal are replaced. Each group has one letter below: s(ignal), e(qual rewards) or f(ails).</summary>
public sealed class DynamicSamplingTests : TrainerActorTest
{
    [Theory]
    [InlineData("sss", 1)]
    [InlineData("esesfseess", 2)]
    [InlineData("esesfseess", 3)]
    [InlineData("esesfseess", 4)]
    [InlineData("eeeeeesss", 5)]
    [InlineData("sseeefffs", 6)]
    [InlineData("sseeefffs", 7)]
    public async Task A_step_draws_up_to_the_last_group_that_it_trains_on_in_any_order_of_answers(string groups, int seed)
    {
        var trainer = Start(Sampled(wanted: 3, batches: 10));
        await ExpectMsgAsync<TrainingStarted>();
        var kept = Ids(groups).Where(id => groups[id] == 's').Take(3).ToArray();

        await AnswerInRandomOrderAsync(trainer, groups[..(kept[^1] + 1)], wanted: 3, seed);
        await ParkAndTrainAsync(trainer, 1);
        Tell(trainer, Opened(1));

        Assert.Equal(kept, Assert.Single(Policy.Batches).Groups.Select(group => (int)group.Id.Value));
        var report = await ExpectMsgAsync<TrainingStepFinished>();
        Assert.Equal(groups.Count(letter => letter == 'f'), report.FailedGroups);
        Assert.Equal(groups[..(kept[^1] + 1)].Count(letter => letter == 'e'), report.Dropped.Count);
        Assert.All(report.Dropped, group => Assert.Equal((2, 4), (group.Rewards.Length, group.Tokens)));
        Assert.Equal(kept[^1] + 1, (await EndAsync()).Progress.DataCursor);
    }

    [Fact]
    public async Task A_step_that_finds_too_few_groups_with_signal_trains_on_those_and_says_so()
    {
        var log = CreateTestProbe();
        Sys.EventStream.SetLogLevel(LogLevel.WarningLevel);
        Sys.EventStream.Subscribe(log, typeof(Warning));
        var trainer = Start(Sampled(wanted: 3, batches: 2));
        await ExpectMsgAsync<TrainingStarted>();

        await AnswerInRandomOrderAsync(trainer, "eeseee", wanted: 3, seed: 1);
        await ParkAndTrainAsync(trainer, 1);
        Assert.Equal(
            "training step 1 trains on 1 of 3 groups: no more of the 6 that it drew has different rewards"
                + " (train.max-generation-batches = 2)",
            (await log.ExpectMsgAsync<Warning>()).Message.ToString());
        Tell(trainer, Opened(1));

        await ExpectMsgAsync<TrainingStepFinished>();
        Assert.Equal(new TrainingProgress(1, 6, 9), (await EndAsync()).Progress);
    }

    [Fact]
    public async Task A_step_that_finds_no_group_with_signal_ends_the_run_with_the_reason()
    {
        var trainer = Start(Sampled(wanted: 2, batches: 2));
        await ExpectMsgAsync<TrainingStarted>();

        await AnswerInRandomOrderAsync(trainer, "eeee", wanted: 2, seed: 1);

        Assert.Equal(
            "training step 1: none of the 4 groups that it drew has different rewards (train.max-generation-batches = 2):"
                + " the prompts are too easy or too hard for this policy",
            (await ExpectMsgAsync<TrainingEnded>()).Error);
        Assert.Empty(Policy.Batches);
    }

    [Fact]
    public async Task The_next_step_draws_the_prompts_behind_the_dropped_ones_also_when_resumed()
    {
        var job = Sampled(wanted: 2, batches: 10);
        var trainer = Start(job with { Train = job.Train with { Steps = 2 } });
        await ExpectMsgAsync<TrainingStarted>();
        await AnswerInRandomOrderAsync(trainer, "eses", wanted: 2, seed: 1);
        await ParkAndTrainAsync(trainer, 1);
        Tell(trainer, Opened(1));
        await ExpectMsgAsync<TrainingStepFinished>();
        Assert.Equal([4, 5], (await SubmittedAsync(2)).Select(group => group.Id.Value));

        var resumed = Start(job with { Train = job.Train with { Steps = 2 } }, new TrainingProgress(1, 4, 9));
        await ExpectMsgAsync<TrainingStarted>();
        var groups = await SubmittedAsync(2);
        Assert.Equal([4, 5], groups.Select(group => group.Id.Value));
        await DecodeAndScoreAsync(resumed, groups[0], more: 0);
        Assert.Equal(6, Assert.Single(await SubmittedAsync(1)).Id.Value);
    }

    [Fact]
    public async Task Without_it_groups_of_equal_rewards_are_trained_on()
    {
        var trainer = Start(Job(steps: 1));
        foreach (var group in await StartedAsync(2))
            await DecodeAndScoreAsync(trainer, group, more: 0);
        await ParkAndTrainAsync(trainer, 1);

        Assert.Equal(2, Assert.Single(Policy.Batches).Groups.Count);
    }

    [Theory]
    [InlineData(new[] { 1.0, 1, 1 }, false)]
    [InlineData(new[] { 1.0, 1, 0.5 }, true)]
    [InlineData(new[] { 1.0, double.NaN, 1 }, false)]
    [InlineData(new[] { double.NaN, double.NaN, double.NaN }, false)]
    [InlineData(new[] { double.NaN, 0, 1 }, true)]
    public void A_group_has_signal_if_two_of_its_samples_have_different_values(double[] values, bool differs)
    {
        var group = new ScoredGroup(Prompts.Item(1), [1], new GroupFinished(new GroupId(1), []), values, [])
        {
            ByFunction = [new("right", [1, 1, 1]), new("length", [1, 2, 3])],
        };

        Assert.Equal(differs, GroupSignal.Differs(group, DynamicSampling.RewardMetric));
        Assert.False(GroupSignal.Differs(group, "right"));
        Assert.True(GroupSignal.Differs(group, "length"));
    }

    [Fact]
    public void A_metric_that_no_reward_has_is_refused_with_those_that_there_are()
    {
        var tree = ConfigTree.Load(overrides:
        [
            "model.path=x", "train.dynamic-sampling=on", "train.dynamic-sampling-metric=right",
            "rewards=[{ type = exact-answer }, { type = length, name = short, target = 3 }]",
        ]);

        Assert.EndsWith(
            "rollout.train.dynamic-sampling-metric = \"right\": expected one of reward, exact-answer, short, as rewards name"
                + " them",
            Assert.Throws<ConfigurationException>(() => RolloutSettings.ForTraining(tree)).Message,
            StringComparison.Ordinal);
    }

    /// <summary>Answers the groups that are under way, one at a time; each that gives nothing brings another.</summary>
    private async Task AnswerInRandomOrderAsync(IActorRef trainer, string groups, int wanted, int seed)
    {
        var random = new Random(seed);
        var underway = (await SubmittedAsync(wanted)).ToList();
        var drawn = wanted;
        while (underway.Count > 0)
        {
            var group = underway[random.Next(underway.Count)];
            underway.Remove(group);
            var letter = groups[(int)group.Id.Value];
            if (letter == 'f')
                Tell(trainer, new GroupGivenUp(Epoch, group.Id, "no room"));
            else
                await DecodeAndScoreAsync(trainer, group, more: letter == 's' ? 1 : 0);
            if (letter == 's' || drawn == groups.Length)
                continue;
            underway.AddRange(await SubmittedAsync(1));
            Assert.Equal(drawn++, underway[^1].Id.Value);
        }
        Assert.Equal(groups.Length, drawn);
    }

    private static IEnumerable<int> Ids(string groups) => Enumerable.Range(0, groups.Length);

    private static TrainingJob Sampled(int wanted, int batches)
    {
        var job = Job(steps: 1, prompts: wanted);
        return job with
        {
            Train = job.Train with
            {
                DynamicSampling = job.Train.DynamicSampling with { Enabled = true, MaxGenerationBatches = batches },
            },
        };
    }
}
