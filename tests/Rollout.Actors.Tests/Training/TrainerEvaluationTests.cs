using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Actors.Training;
using Xunit;

namespace Rollout.Actors.Tests.Training;

public sealed class TrainerEvaluationTests : TrainerActorTest
{
    [Fact]
    public async Task A_run_begins_and_ends_with_a_greedy_evaluation_on_all_held_out_prompts()
    {
        var trainer = Start(Evaluated(steps: 1));
        var evaluation = await SubmittedAsync(4);
        Assert.All(evaluation, group =>
        {
            Assert.True(group.Id.Value < 0);
            Assert.Equal(0, Assert.Single(group.Samples).Temperature);
        });
        Assert.Equal(
            Enumerable.Range(0, 4).Select(i => 500 + i), evaluation.Select(group => group.Prompt[0]));
        await AnswerAsync(trainer, evaluation, right: 1);
        Assert.Equal(0.25, (await ExpectMsgAsync<TrainingStarted>()).Evaluation?.Accuracy);

        await StepAsync(trainer, 0, 1, reports: false);
        var last = await SubmittedAsync(4);
        Assert.Empty(last.Select(group => group.Id).Intersect(evaluation.Select(group => group.Id)));
        await AnswerAsync(trainer, last, right: 3);

        Assert.Equal(0.75, (await ExpectMsgAsync<TrainingStepFinished>()).Evaluation?.Accuracy);
        Assert.Null((await EndAsync()).Error);
    }

    [Fact]
    public async Task An_accuracy_that_reaches_the_target_ends_the_run_early()
    {
        var trainer = Start(Evaluated(steps: 100, every: 1, target: 0.5));
        await AnswerAsync(trainer, await SubmittedAsync(4), right: 1);
        await ExpectMsgAsync<TrainingStarted>();
        await StepAsync(trainer, 0, 1, reports: false);
        await AnswerAsync(trainer, await SubmittedAsync(4), right: 2);

        Assert.Equal(0.5, (await ExpectMsgAsync<TrainingStepFinished>()).Evaluation?.Accuracy);
        var ended = await EndAsync();
        Assert.Equal((1, "step-1", null), (ended.Progress.Step, ended.Checkpoint, ended.Error));
    }

    [Fact]
    public async Task A_policy_that_is_good_enough_is_not_trained()
    {
        var trainer = Start(Evaluated(steps: 100, target: 0.5));
        await AnswerAsync(trainer, await SubmittedAsync(4), right: 4);

        Assert.Equal(1, (await ExpectMsgAsync<TrainingStarted>()).Evaluation?.Accuracy);
        var ended = await ExpectMsgAsync<TrainingEnded>();
        Assert.Equal((0, null, null), (ended.Progress.Step, ended.Checkpoint, ended.Error));
    }

    [Fact]
    public async Task Evaluations_come_every_so_many_steps_on_as_many_prompts_as_asked_for()
    {
        var trainer = Start(Evaluated(steps: 3, every: 2, prompts: 3));
        await AnswerAsync(trainer, await SubmittedAsync(3), right: 0);
        await ExpectMsgAsync<TrainingStarted>();
        for (var step = 1; step <= 3; step++)
        {
            await StepAsync(trainer, 2 * step - 2, step, reports: false);
            if (step > 1)
                await AnswerAsync(trainer, await SubmittedAsync(3), right: step - 1);
            Assert.Equal(
                step > 1 ? (step - 1) / 3.0 : null, (await ExpectMsgAsync<TrainingStepFinished>()).Evaluation?.Accuracy);
        }
        Assert.Null((await EndAsync()).Error);
    }

    [Fact]
    public async Task A_held_out_prompt_without_an_answer_is_no_wrong_answer_but_left_out()
    {
        var trainer = Start(Evaluated(steps: 3));
        var evaluation = await SubmittedAsync(4);
        await AnswerAsync(trainer, evaluation[..3], right: 3);
        Tell(trainer, new GroupGivenUp(Epoch, evaluation[3].Id, "no decoder is left"));

        Assert.Equal(1, (await ExpectMsgAsync<TrainingStarted>()).Evaluation?.Accuracy);
    }

    [Fact]
    public async Task An_evaluation_without_any_answer_ends_the_run_with_the_first_reason()
    {
        var trainer = Start(Evaluated(steps: 3));
        foreach (var group in await SubmittedAsync(4))
            Tell(trainer, new GroupGivenUp(Epoch, group.Id, $"no decoder is left for {group.Id.Value}"));

        var error = (await ExpectMsgAsync<TrainingEnded>()).Error;
        Assert.StartsWith("evaluation before training: ", error);
        Assert.Contains("no decoder is left for -1", error);
    }

    [Fact]
    public async Task An_evaluation_that_fails_after_a_step_is_named_after_that_step()
    {
        var trainer = Start(Evaluated(steps: 3, every: 1));
        await AnswerAsync(trainer, await SubmittedAsync(4), right: 0);
        await ExpectMsgAsync<TrainingStarted>();
        await StepAsync(trainer, 0, 1, reports: false);
        foreach (var group in await SubmittedAsync(4))
            Tell(trainer, new GroupGivenUp(Epoch, group.Id, "no decoder is left"));

        await ExpectMsgAsync<TrainingStepFinished>();
        Assert.StartsWith("evaluation after training step 1: ", (await EndAsync()).Error);
    }

    [Fact]
    public async Task A_wish_to_stop_during_the_first_evaluation_ends_the_run_without_training()
    {
        var trainer = Start(Evaluated(steps: 3));
        var evaluation = await SubmittedAsync(4);
        Tell(trainer, new StopTraining());
        await AnswerAsync(trainer, evaluation, right: 0);

        await ExpectMsgAsync<TrainingStarted>();
        Assert.Equal(0, (await ExpectMsgAsync<TrainingEnded>()).Progress.Step);
        Assert.Empty(Policy.Batches);
    }

    private static TrainingJob Evaluated(int steps, int every = 0, int prompts = 0, double target = 0) =>
        Job(steps) with
        {
            Dataset = new Prompts(heldOut: 4),
            Eval = TestSettings.Eval with { Every = every, Prompts = prompts, Target = target },
        };

    /// <summary>The first so many are right (reward 1), the others nearly (0.9).</summary>
    private async Task AnswerAsync(IActorRef trainer, GroupRequest[] groups, int right)
    {
        for (var i = 0; i < groups.Length; i++)
            await DecodeAndScoreAsync(trainer, groups[i], reward: i < right ? 1 : 0.9);
    }
}
