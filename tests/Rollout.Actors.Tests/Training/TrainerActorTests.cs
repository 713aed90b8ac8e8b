using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Training;

public sealed class TrainerActorTests : TrainerActorTest
{
    [Fact]
    public async Task A_step_is_submit_score_park_train_update_report_and_then_comes_the_next()
    {
        var trainer = Start(Job(steps: 2));
        Assert.Null((await ExpectMsgAsync<TrainingStarted>()).Evaluation);
        for (var step = 1; step <= 2; step++)
        {
            var groups = await SubmittedAsync(2);
            Assert.Equal([2 * step - 2, 2 * step - 1], groups.Select(group => group.Id.Value));
            Assert.All(groups, group => Assert.Equal(2, group.Samples.Length));
            Assert.Equal(new FakeTokenizer().Encode(Prompts.Item(2 * step - 2).Prompt), groups[0].Prompt);
            foreach (var group in groups)
                await DecodeAndScoreAsync(trainer, group);

            Assert.Equal(Of(step), (await ExpectMsgAsync<ParkAll>()).Next);
            Tell(trainer, new AllParked(Of(step)));
            await ExpectMsgAsync<Trains>();
            Assert.Equal(new UpdateAll(Of(step), null), await ExpectMsgAsync<UpdateAll>());
            Tell(trainer, Opened(step, decodeSteps: 40 + step));

            var report = await ExpectMsgAsync<TrainingStepFinished>();
            Assert.Equal((step, 2, 40 + step, 0), (report.Step, report.Steps, report.Decode.Steps, report.FailedGroups));
            Assert.Equal(groups.Select(group => Plain(group.Id)), report.Groups.Select(group => group.Group.Id));
            Assert.Equal(1.5, report.Groups.SelectMany(group => group.Rewards).Average());
        }

        var saved = await ExpectMsgAsync<CheckpointSaved>();
        var ended = await ExpectMsgAsync<TrainingEnded>();
        Assert.Equal((2, "step-2"), (saved.Step, saved.Folder));
        Assert.Equal(new TrainingEnded(new TrainingProgress(2, 4, 9), "step-2", null), ended);
        Assert.Equal(("step-2", ended.Progress), Assert.Single(Policy.Saved));
    }

    [Fact]
    public async Task The_batch_has_the_rewards_and_tokens_of_each_group_in_order_of_submission()
    {
        var trainer = Start(Job(steps: 1));
        var groups = await StartedAsync(2);
        await DecodeAndScoreAsync(trainer, groups[1], reward: 10);
        await DecodeAndScoreAsync(trainer, groups[0], reward: 20);
        await ParkAndTrainAsync(trainer, 1);

        var batch = Assert.Single(Policy.Batches);
        Assert.Equal(groups.Select(group => Plain(group.Id)), batch.Groups.Select(group => group.Id));
        Assert.Equal([20.0, 21], batch.Groups[0].Completions.Select(completion => completion.Reward));
        Assert.Equal(TokensOf(groups[1], sample: 1), batch.Groups[1].Completions[1].Tokens);
        Assert.Equal(groups[1].Prompt, batch.Groups[1].Prompt);
    }

    [Fact]
    public async Task Nothing_is_trained_before_all_are_parked_for_this_very_version()
    {
        var trainer = Start(Job(steps: 1));
        foreach (var group in await StartedAsync(2))
            await DecodeAndScoreAsync(trainer, group);
        await ExpectMsgAsync<ParkAll>();

        Tell(trainer, new AllParked(Of(7)), Opened(1));
        await SettledAsync(trainer);
        Assert.False(HasMessages);
        Assert.Empty(Policy.Batches);

        Tell(trainer, new AllParked(Of(1)));
        await ExpectMsgAsync<Trains>();
    }

    [Fact]
    public async Task Groups_that_fail_in_decoding_or_scoring_are_left_out_and_counted()
    {
        var trainer = Start(Job(steps: 1, prompts: 3));
        var groups = await StartedAsync(3);
        Tell(trainer, new GroupGivenUp(Epoch, groups[0].Id, "no room"));
        await DecodeAndScoreAsync(trainer, groups[1]);
        Tell(trainer, Decoded(groups[2]));
        await ExpectMsgAsync<ScoreGroup>();
        Tell(trainer, new ScoringFailed(Plain(groups[2].Id), "the judge is away"));

        await ParkAndTrainAsync(trainer, 1);
        Tell(trainer, Opened(1));

        Assert.Equal([Plain(groups[1].Id)], Assert.Single(Policy.Batches).Groups.Select(group => group.Id));
        var report = await ExpectMsgAsync<TrainingStepFinished>();
        Assert.Equal(2, report.FailedGroups);
        Assert.Equal(1.5, report.Groups.SelectMany(group => group.Rewards).Average());
    }

    [Fact]
    public async Task When_all_groups_fail_the_run_ends_with_the_first_reason()
    {
        var trainer = Start(Job(steps: 1));
        var groups = await StartedAsync(2);
        Tell(trainer, new GroupGivenUp(Epoch, groups[1].Id, "second"), new GroupGivenUp(Epoch, groups[0].Id, "no decoder is left"));

        var ended = await ExpectMsgAsync<TrainingEnded>();
        Assert.Contains("no decoder is left", ended.Error);
        Assert.Empty(Policy.Batches);
        Assert.Empty(Policy.Saved);
    }

    [Fact]
    public async Task A_round_without_progress_names_the_groups_it_lacks_and_cancels_them()
    {
        var trainer = Start(Job(steps: 1, prompts: 3));
        var groups = await StartedAsync(3);
        await DecodeAndScoreAsync(trainer, groups[1]);

        await PassAsync(trainer, TestSettings.Train.StepTimeout);

        Assert.Equal([groups[0].Id, groups[2].Id], (await FishForMessageAsync<CancelGroups>(_ => true)).Groups);
        var ended = await ExpectMsgAsync<TrainingEnded>();
        Assert.Contains($"{groups[0].Id}, {groups[2].Id}", ended.Error);
        Assert.DoesNotContain(groups[1].Id.ToString(), ended.Error);
    }

    [Fact]
    public async Task A_round_goes_on_for_as_long_as_its_groups_make_tokens()
    {
        var trainer = Start(Job(steps: 1));
        var groups = await StartedAsync(2);
        for (var times = 1; times <= 3; times++)
        {
            await PassAsync(trainer, TestSettings.Train.StepTimeout * 0.9);
            Tell(trainer, new GroupsUnderway(Epoch, [new GroupProgress(groups[0].Id, 100 * times)]));
        }
        foreach (var group in groups)
            await DecodeAndScoreAsync(trainer, group);
        await ParkAndTrainAsync(trainer, 1);
        Tell(trainer, Opened(1));

        await ExpectMsgAsync<TrainingStepFinished>();
        Assert.Null((await EndAsync()).Error);
    }

    [Fact]
    public async Task A_round_goes_on_while_all_its_groups_wait_in_line_and_the_scheduler_answers()
    {
        var trainer = Start(Job(steps: 1));
        var groups = await StartedAsync(2);
        foreach (var group in groups)
            Tell(trainer, new NoRoom(Epoch, group.Id));
        for (var times = 1; times <= 3; times++)
        {
            await PassAsync(trainer, TestSettings.Train.StepTimeout * 0.9);
            Tell(trainer, new GroupsUnderway(Epoch, []));
        }
        foreach (var group in groups)
            await DecodeAndScoreAsync(trainer, group);
        await ParkAndTrainAsync(trainer, 1);
        Tell(trainer, Opened(1));

        await ExpectMsgAsync<TrainingStepFinished>();
        Assert.Null((await EndAsync()).Error);
    }

    [Fact]
    public async Task The_deadline_of_a_finished_round_does_not_end_the_next()
    {
        var job = Job(steps: 2);
        var timeout = TimeSpan.FromSeconds(10);
        var trainer = Start(job with { Train = job.Train with { StepTimeout = timeout } });
        await StartedAsync();
        var most = timeout * 0.9;
        await StepAsync(trainer, 0, 1, beforeTheScores: () => PassAsync(trainer, most));
        await StepAsync(trainer, 2, 2, beforeTheScores: () => PassAsync(trainer, most));

        Assert.Null((await EndAsync()).Error);
    }

    [Fact]
    public async Task Answers_that_come_twice_or_for_groups_of_another_round_change_nothing()
    {
        var trainer = Start(Job(steps: 2));
        var groups = await StartedAsync(2);
        foreach (var group in groups)
        {
            await DecodeAndScoreAsync(trainer, group, twice: true);
            Tell(trainer, new GroupGivenUp(Epoch, group.Id, "changed its mind"));
            Tell(trainer, new GroupGivenUp(Epoch, new GroupId(77), "unknown"));
        }
        await ParkAndTrainAsync(trainer, 1);
        Tell(trainer, Decoded(groups[0]), new GroupScored(Plain(groups[0].Id), [9, 9], ["", ""]));
        Tell(trainer, Opened(1));
        Assert.Equal(0, (await ExpectMsgAsync<TrainingStepFinished>()).FailedGroups);
        var next = await SubmittedAsync(2);
        Tell(trainer, Decoded(groups[1]), new GroupGivenUp(Epoch, groups[0].Id, "late"));
        foreach (var group in next)
            await DecodeAndScoreAsync(trainer, group);
        await ParkAndTrainAsync(trainer, 2);

        Assert.Equal([2, 3], Policy.Batches[1].Groups.Select(group => group.Id.Value));
    }

    [Fact]
    public async Task A_resumed_run_goes_on_with_the_prompts_after_those_that_were_taken()
    {
        var from = new TrainingProgress(Step: 4, DataCursor: 123, Seed: 9);
        var trainer = Start(Job(steps: 5), from);
        var groups = await StartedAsync(2);
        Assert.Equal([123, 124], groups.Select(group => group.Id.Value));
        foreach (var group in groups)
            await DecodeAndScoreAsync(trainer, group);
        await ParkAndTrainAsync(trainer, 1);
        Tell(trainer, Opened(1));

        Assert.Equal(5, (await ExpectMsgAsync<TrainingStepFinished>()).Step);
        Assert.Equal(new TrainingProgress(5, 125, 9), (await EndAsync()).Progress);
    }

    [Fact]
    public async Task Checkpoints_follow_the_reports_of_their_steps_and_none_is_written_twice()
    {
        var trainer = Start(Job(steps: 3, checkpointEvery: 1));
        await StartedAsync();
        for (var step = 1; step <= 3; step++)
        {
            await StepAsync(trainer, 2 * step - 2, step);
            Assert.Equal(step, (await ExpectMsgAsync<CheckpointSaved>()).Step);
        }

        Assert.Equal("step-3", (await ExpectMsgAsync<TrainingEnded>()).Checkpoint);
        Assert.Equal(["step-1", "step-2", "step-3"], Policy.Saved.Select(saved => saved.Folder));
    }

    [Fact]
    public async Task A_wish_to_stop_ends_the_run_after_the_step_with_a_checkpoint()
    {
        var trainer = Start(Job(steps: 100));
        await StartedAsync();
        await StepAsync(trainer, 0, 1, beforeTheScores: () =>
        {
            Tell(trainer, new StopTraining());
            return Task.CompletedTask;
        });

        var ended = await EndAsync();
        Assert.Equal((1, "step-1", null), (ended.Progress.Step, ended.Checkpoint, ended.Error));
    }

    [Fact]
    public async Task It_uses_one_thread_for_its_trainer_and_disposes_of_it()
    {
        var trainer = Start(Job(steps: 1));
        await StartedAsync();
        await StepAsync(trainer, 0, 1);
        await EndAsync();
        await WatchAsync(trainer);

        Sys.Stop(trainer);
        await ExpectTerminatedAsync(trainer);

        Assert.True(Policy.IsDisposed);
        Assert.Single(Policy.Threads);
    }
}
