using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Actors.Training;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Training;

/// <summary>What a run decides, without an actor.</summary>
public sealed class TrainingRunTests
{
    private readonly FakePolicyTrainer _trainer = new();

    [Fact]
    public void A_run_is_over_after_its_steps_at_its_target_or_when_it_is_asked_to_stop()
    {
        var run = Run(steps: 2, target: 0.9);
        run.Begin(new TrainingProgress(1, 2, 9));
        Assert.False(run.IsOver(accuracy: null));
        Assert.False(run.IsOver(accuracy: 0.8));
        Assert.True(run.IsOver(accuracy: 0.9));

        TrainOn(run);
        Assert.True(run.IsOver(accuracy: null));

        var stopped = Run(steps: 2);
        stopped.RequestStop();
        Assert.True(stopped.IsOver(accuracy: null));
    }

    [Fact]
    public void A_step_draws_the_prompts_after_those_of_the_steps_before_it()
    {
        var run = Run(steps: 5);
        run.Begin(new TrainingProgress(3, 6, 9));

        Assert.Equal([6, 7], run.BeginStep().Groups.Select(group => group.Request.Id.Value));
        TrainOn(run);
        Assert.Equal([8, 9], run.BeginStep().Groups.Select(group => group.Request.Id.Value));
    }

    [Fact]
    public void A_run_that_ends_reports_its_last_step_saves_it_and_names_the_checkpoint()
    {
        var run = Run(steps: 5);
        TrainOn(run);

        var said = run.End("the scheduler is gone").ToArray();

        Assert.Equal(1, Assert.IsType<TrainingStepFinished>(said[0]).Step);
        Assert.Equal(new CheckpointSaved(1, "step-1"), said[1]);
        Assert.Equal(new TrainingEnded(new TrainingProgress(1, 2, 9), "step-1", "the scheduler is gone"), said[2]);
        Assert.Equal(3, said.Length);
    }

    [Fact]
    public void A_run_that_keeps_the_best_saves_after_each_evaluation_better_than_all_before()
    {
        var run = Run(steps: 9, keepBest: true);

        BestCheckpoint?[] saved =
        [
            .. new double?[] { 0.5, null, 0.4, 0.5, 0.6 }.Select(accuracy =>
            {
                TrainOn(run);
                run.TakeReport(DecoderStats.None, evaluation: null);
                Assert.Equal(run.Step is 1 or 5, run.SavesNow(accuracy));
                return run.SaveIfDue(accuracy)?.Best;
            }),
        ];

        Assert.Equal<IEnumerable<BestCheckpoint?>>([new(1, 0.5), null, null, null, new(5, 0.6)], saved);
    }

    [Fact]
    public void A_step_that_loses_the_weights_ends_the_run_with_its_last_good_checkpoint()
    {
        var run = Run(steps: 5, checkpointEvery: 1);
        TrainOn(run);
        Assert.NotNull(run.TakeReport(DecoderStats.None, evaluation: null));
        Assert.NotNull(run.SaveIfDue(accuracy: null));
        _trainer.BeforeTrain = _ =>
        {
            _trainer.IsWhole = false;
            throw new NotFiniteNumberException("model.norm.weight is not finite after optimizer step 2.");
        };

        Assert.Throws<NotFiniteNumberException>(() => TrainOn(run));

        Assert.Equal(
            [new TrainingEnded(new TrainingProgress(1, 2, 9), "step-1", "broken")], run.End("broken"));
        Assert.Single(_trainer.Saved);
    }

    [Fact]
    public void A_checkpoint_that_cannot_be_saved_is_told_beside_the_reason_of_the_end()
    {
        var run = Run(steps: 5);
        TrainOn(run);
        _trainer.BeforeSave = _ => throw new IOException("no space");

        var ended = Assert.IsType<TrainingEnded>(run.End("given up").Last());

        Assert.Equal(("given up; and saving failed: no space", null), (ended.Error, ended.Checkpoint));
    }

    [Fact]
    public void A_checkpoint_that_fails_twice_for_the_same_reason_tells_it_once()
    {
        var run = Run(steps: 5, checkpointEvery: 1);
        TrainOn(run);
        _trainer.BeforeSave = _ => throw new IOException("'step-1' cannot be written: No space left on device");
        var fault = Assert.Throws<IOException>(() => run.SaveIfDue(accuracy: null));

        var ended = Assert.IsType<TrainingEnded>(run.End($"{run.Phase}: {fault.Message}").Last());

        Assert.Equal(
            "checkpoint of training step 1: 'step-1' cannot be written: No space left on device", ended.Error);
    }

    [Fact]
    public void Without_a_scored_group_a_step_fails_with_the_first_reason()
    {
        var run = Run(steps: 5);
        var groups = new RoundGroups();
        foreach (var (item, request) in run.BeginStep().Groups)
        {
            groups.Expect(item, request);
            groups.Fail(request.Id, "no room");
        }

        Assert.Equal("all 2 groups failed, the first with: no room", run.Shortfall.WhyNothing(groups));
    }

    /// <summary>Both groups of a step come back with rewards, and the run trains on them.</summary>
    private static void TrainOn(TrainingRun run)
    {
        var groups = new RoundGroups();
        foreach (var (item, request) in run.BeginStep().Groups)
        {
            groups.Expect(item, request);
            var sampled = new SampledTokens([1, 2], [-1, -2], [new VersionSpan(default, 0)]);
            groups.Finish(new GroupFinished(
                request.Id, [.. request.Samples.Select((_, i) => new Completion(i, sampled, FinishReason.Stop))]));
            groups.AddRewards(new GroupScored(request.Id, [0, 1], ["", ""]));
        }

        run.Train(groups, rolloutSeconds: 1);
    }

    private TrainingRun Run(int steps, double target = 0, int checkpointEvery = 0, bool keepBest = false)
    {
        var job = new TrainingJob
        {
            Train = TestSettings.Train with { Steps = steps, PromptsPerStep = 2, NumGenerations = 2 },
            Eval = TestSettings.Eval with { Target = target },
            Sampling = new SamplingParams { MaxTokens = 6, Seed = 9 },
            Tokenizer = new FakeTokenizer(),
            Dataset = new Prompts(),
            CheckpointEvery = checkpointEvery,
            KeepBest = keepBest,
            CheckpointFolder = step => $"step-{step}",
        };
        var run = new TrainingRun(new TrainerSetup(job, () => _trainer, Run: 7), _trainer, TimeProvider.System);
        run.Begin(new TrainingProgress(0, 0, 9));
        return run;
    }
}
