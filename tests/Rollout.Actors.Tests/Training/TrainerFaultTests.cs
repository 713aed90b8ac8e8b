using Akka.Event;
using Rollout.Actors.Data;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Training;

/// <summary>How runs end that don't end as planned.</summary>
public sealed class TrainerFaultTests : TrainerActorTest
{
    private static readonly TimeSpan BarrierSilence = TimeSpan.FromMinutes(2);

    [Fact]
    public async Task A_trainer_that_throws_ends_the_run_and_saves_no_half_changed_weights()
    {
        var trainer = Start(Job(steps: 5));
        await StartedAsync();
        await StepAsync(trainer, 0, 1);
        Policy.BeforeTrain = _ =>
        {
            Policy.IsWhole = false;
            throw new InvalidOperationException("a weight is not a number");
        };
        foreach (var group in await SubmittedAsync(2))
            await DecodeAndScoreAsync(trainer, group);
        await ExpectMsgAsync<ParkAll>();
        Tell(trainer, new AllParked(Of(2)));

        var ended = await ExpectMsgAsync<TrainingEnded>();
        Assert.Equal("training step 2: a weight is not a number", ended.Error);
        Assert.Equal((1, null), (ended.Progress.Step, ended.Checkpoint));
        Assert.Empty(Policy.Saved);
    }

    [Fact]
    public async Task A_trainer_out_of_memory_before_an_update_ends_the_run_and_saves_what_it_learnt()
    {
        var trainer = Start(Job(steps: 5));
        await StartedAsync();
        await StepAsync(trainer, 0, 1);
        Policy.BeforeTrain = _ => throw new DeviceFaultException("one sequence does not fit");
        foreach (var group in await SubmittedAsync(2))
            await DecodeAndScoreAsync(trainer, group);
        await ExpectMsgAsync<ParkAll>();
        Tell(trainer, new AllParked(Of(2)));

        var ended = await EndAsync();
        Assert.Equal(("training step 2: one sequence does not fit", "step-1"), (ended.Error, ended.Checkpoint));
        Assert.Equal(new TrainingProgress(1, 2, 0), ended.Progress with { Seed = 0 });
    }

    [Fact]
    public async Task A_trainer_that_can_not_go_on_ends_the_run_with_its_last_step_reported_and_saved()
    {
        var trainer = Start(Job(steps: 5));
        var groups = await StartedAsync(2);
        Policy.Report = stats => stats with { SkippedUpdates = ["the loss is NaN"], WhyOver = "4 updates in a row" };
        foreach (var group in groups)
            await DecodeAndScoreAsync(trainer, group);
        await ExpectMsgAsync<ParkAll>();
        Tell(trainer, new AllParked(Of(1)));
        await ExpectMsgAsync<Trains>();

        Assert.Equal(1, (await ExpectMsgAsync<TrainingStepFinished>()).Step);
        var ended = await EndAsync();
        Assert.Equal(("training step 1: 4 updates in a row", "step-1"), (ended.Error, ended.Checkpoint));
    }

    [Fact]
    public async Task Groups_that_can_not_be_sent_fail_at_once_and_end_the_run_where_all_do()
    {
        var job = Job(steps: 5);
        Start(job with { Sampling = job.Sampling with { MaxTokens = 600_000 } });
        await StartedAsync();

        var ended = await ExpectMsgAsync<TrainingEnded>();
        Assert.StartsWith("training step 1: all 2 groups failed, the first with: a sample of up to 600000", ended.Error);
    }

    [Fact]
    public async Task Of_groups_that_fail_in_one_round_the_first_is_a_warning()
    {
        Sys.EventStream.SetLogLevel(LogLevel.WarningLevel);
        var job = Job(steps: 5, prompts: 9);
        var log = CreateTestProbe();
        Sys.EventStream.Subscribe(log, typeof(Warning));

        Start(job with { Sampling = job.Sampling with { MaxTokens = 600_000 } });
        await StartedAsync();
        await ExpectMsgAsync<TrainingEnded>();

        Sys.EventStream.Publish(new Warning("test", GetType(), "the last"));
        Assert.Contains("others of this round are counted only", await NextAsync());
        Assert.Equal("the last", await NextAsync());

        async Task<string?> NextAsync() => (await log.ExpectMsgAsync<Warning>()).Message.ToString();
    }

    [Fact]
    public async Task A_group_without_an_answer_is_sent_again_when_the_scheduler_asks_for_it()
    {
        var trainer = Start(Job(steps: 1));
        var groups = await StartedAsync(2);
        await SettledAsync(trainer);
        await DecodeAndScoreAsync(trainer, groups[0]);
        Tell(trainer, new SendGroups(Epoch, [groups[1].Id]));

        Assert.Equal(groups[1].Id, (await ExpectMsgAsync<SubmitGroup>()).Group.Id);
        await DecodeAndScoreAsync(trainer, groups[1]);
        await ParkAndTrainAsync(trainer, 1);
    }

    [Fact]
    public async Task Decoders_that_do_not_park_end_the_run_with_what_was_learnt_saved()
    {
        var trainer = Start(Job(steps: 5));
        await StartedAsync();
        await StepAsync(trainer, 0, 1);
        foreach (var group in await SubmittedAsync(2))
            await DecodeAndScoreAsync(trainer, group);
        await ExpectMsgAsync<ParkAll>();
        Tell(trainer, new BarrierFailed(Of(2), "decoder cuda:0 did not park"));

        var ended = await EndAsync();
        Assert.Equal(("decoder cuda:0 did not park", "step-1"), (ended.Error, ended.Checkpoint));
        Assert.Single(Policy.Batches);
    }

    [Fact]
    public async Task Decoders_that_do_not_update_end_the_run_with_the_weights_saved()
    {
        var trainer = Start(Job(steps: 5));
        foreach (var group in await StartedAsync(2))
            await DecodeAndScoreAsync(trainer, group);
        await ParkAndTrainAsync(trainer, 1);
        Tell(trainer, new BarrierFailed(Of(1), "decoder cuda:0 did not take the weights"));

        Assert.Equal(1, (await ExpectMsgAsync<TrainingStepFinished>()).Step);
        var ended = await EndAsync();
        Assert.Equal("decoder cuda:0 did not take the weights", ended.Error);
        Assert.Equal((1, "step-1"), (ended.Progress.Step, ended.Checkpoint));
    }

    [Fact]
    public async Task A_barrier_silent_while_decoders_park_ends_the_run_and_names_them()
    {
        var trainer = Start(Job(steps: 5));
        await StartedAsync();
        await StepAsync(trainer, 0, 1);
        foreach (var group in await SubmittedAsync(2))
            await DecodeAndScoreAsync(trainer, group);
        await ExpectMsgAsync<ParkAll>();
        await PassAsync(trainer, BarrierSilence * 0.9);
        Tell(trainer, new BarrierWaits(Of(2), [Decoder(3)]));
        await PassAsync(trainer, BarrierSilence * 0.9);
        await PassAsync(trainer, BarrierSilence * 0.1);

        var ended = await EndAsync();
        Assert.Equal(
            $"the step barrier said nothing for {BarrierSilence}; it waited for {Decoder(3)}", ended.Error);
        Assert.Equal("step-1", ended.Checkpoint);
    }

    [Fact]
    public async Task A_barrier_silent_while_decoders_update_ends_the_run_with_the_step_saved()
    {
        var trainer = Start(Job(steps: 5));
        foreach (var group in await StartedAsync(2))
            await DecodeAndScoreAsync(trainer, group);
        await ParkAndTrainAsync(trainer, 1);
        await PassAsync(trainer, BarrierSilence);

        Assert.Equal(1, (await ExpectMsgAsync<TrainingStepFinished>()).Step);
        var ended = await EndAsync();
        Assert.Contains("the step barrier said nothing", ended.Error);
        Assert.Equal("step-1", ended.Checkpoint);
    }

    [Fact]
    public async Task A_run_that_is_abandoned_saves_what_it_has_learnt_and_says_why()
    {
        var trainer = Start(Job(steps: 5));
        await StartedAsync();
        await StepAsync(trainer, 0, 1);
        await SubmittedAsync(2);

        Tell(trainer, new AbandonTraining("nobody schedules"));

        var ended = await EndAsync();
        Assert.Equal(("training step 2: nobody schedules", "step-1"), (ended.Error, ended.Checkpoint));
    }

    [Fact]
    public async Task A_run_abandoned_after_a_training_step_reports_it_once_and_saves_it()
    {
        var trainer = Start(Job(steps: 5, checkpointEvery: 1));
        await StartedAsync();
        await StepAsync(trainer, 0, 1);
        await ExpectMsgAsync<CheckpointSaved>();
        foreach (var group in await SubmittedAsync(2))
            await DecodeAndScoreAsync(trainer, group);
        await ParkAndTrainAsync(trainer, 2);

        Tell(trainer, new AbandonTraining("given up"));

        Assert.Equal(2, (await ExpectMsgAsync<TrainingStepFinished>()).Step);
        var ended = await EndAsync();
        Assert.Equal(("weight update after training step 2: given up", "step-2"), (ended.Error, ended.Checkpoint));
        Assert.Equal(["step-1", "step-2"], Policy.Saved.Select(saved => saved.Folder));
    }

    [Fact]
    public async Task A_resumed_run_abandoned_before_a_step_writes_nothing_and_names_its_checkpoint()
    {
        var trainer = Start(Job(steps: 5), new TrainingProgress(Step: 4, DataCursor: 8, Seed: 9));
        await StartedAsync(2);

        Tell(trainer, new AbandonTraining("given up"));

        Assert.Equal("step-4", (await ExpectMsgAsync<TrainingEnded>()).Checkpoint);
        Assert.Empty(Policy.Saved);
    }

    [Fact]
    public async Task A_fault_that_nothing_foresaw_ends_the_run_with_what_was_learnt_saved()
    {
        var trainer = Start(Job(steps: 5));
        await StartedAsync();
        await StepAsync(trainer, 0, 1);
        var policy = Policy;
        await SubmittedAsync(2);

        Tell(trainer, new StartTraining(new TrainingProgress(0, 0, 9), null!));

        var ended = await EndAsync();
        Assert.NotNull(ended.Error);
        Assert.Equal("step-1", ended.Checkpoint);
        Assert.Equal("step-1", Assert.Single(policy.Saved).Folder);
        await SettledAsync(trainer);
        Assert.Same(policy, Policy);    // no second trainer was built
    }

    [Fact]
    public async Task A_checkpoint_that_can_not_be_written_ends_the_run_and_says_why()
    {
        var trainer = Start(Job(steps: 5, checkpointEvery: 1));
        await StartedAsync();
        Policy.BeforeSave = folder => throw new IOException($"no space for {folder}");
        await StepAsync(trainer, 0, 1);

        var ended = await ExpectMsgAsync<TrainingEnded>();
        Assert.StartsWith("checkpoint of training step 1: no space for step-1", ended.Error);
        Assert.Null(ended.Checkpoint);
    }

    [Fact]
    public async Task A_last_checkpoint_that_can_not_be_written_is_told_beside_the_first_error()
    {
        var trainer = Start(Job(steps: 5));
        await StartedAsync();
        await StepAsync(trainer, 0, 1);
        Policy.BeforeSave = _ => throw new IOException("no space");
        foreach (var group in await SubmittedAsync(2))
            Tell(trainer, new GroupGivenUp(Epoch, group.Id, "no decoder is left"));

        var ended = await ExpectMsgAsync<TrainingEnded>();
        Assert.Contains("no decoder is left", ended.Error);
        Assert.Contains("no space", ended.Error);
    }

    [Fact]
    public async Task A_group_that_comes_without_all_its_samples_is_not_trained_on()
    {
        var trainer = Start(Job(steps: 5));
        var groups = await StartedAsync(2);
        Tell(trainer, Decoded(groups[0]) with { Samples = 1 }, new GroupGivenUp(Epoch, groups[1].Id, "no room"));

        Assert.Contains("other samples than the 2", (await ExpectMsgAsync<TrainingEnded>()).Error);
    }

    [Fact]
    public async Task A_prompt_without_tokens_ends_the_run_before_it_is_submitted()
    {
        Start(Job(steps: 5) with { Dataset = new EmptyPrompts() });
        await ExpectMsgAsync<TrainingStarted>();

        Assert.Contains("nothing: the prompt has no tokens", (await ExpectMsgAsync<TrainingEnded>()).Error);
    }

    [Fact]
    public async Task A_trainer_that_can_not_be_built_ends_every_run_with_the_reason()
    {
        var trainer = Start(Job(steps: 5), createTrainer: () => throw new InvalidDataException("not a model"));

        Assert.Equal("not a model", (await ExpectMsgAsync<TrainingEnded>()).Error);
        Tell(trainer, new StartTraining(new TrainingProgress(0, 0, 9), TestActor));
        Assert.Equal("not a model", (await ExpectMsgAsync<TrainingEnded>()).Error);
    }

    [Fact]
    public async Task A_second_run_is_refused_while_one_is_under_way_and_after_it()
    {
        var trainer = Start(Job(steps: 1));
        await StartedAsync();
        var second = CreateTestProbe();
        var start = new StartTraining(new TrainingProgress(0, 0, 9), second);
        Tell(trainer, start);
        Assert.NotNull((await second.ExpectMsgAsync<TrainingEnded>()).Error);
        await StepAsync(trainer, 0, 1);
        Assert.Null((await EndAsync()).Error);

        Tell(trainer, start);

        Assert.NotNull((await second.ExpectMsgAsync<TrainingEnded>()).Error);
    }

    private sealed class EmptyPrompts : IPromptDataset
    {
        public IReadOnlyList<PromptItem> HeldOut => [];

        public PromptItem Train(long cursor) => new("nothing", "", new Dictionary<string, string>());
    }
}
