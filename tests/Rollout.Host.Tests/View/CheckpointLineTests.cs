using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Training;
using Rollout.Host.Output;
using Rollout.Host.View;
using Xunit;

namespace Rollout.Host.Tests.View;

/// <summary>What a run says at its end of what there is to go on from.</summary>
public sealed class CheckpointLineTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private RunFolder Run => RunFolder.For(_folder.Path);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_checkpoint_that_was_said_and_has_everything_is_not_said_again() =>
        Assert.Null(AtEnd(step: 4, said: 4, 2, 4));

    [Fact]
    public void Steps_after_the_last_checkpoint_are_counted_and_the_checkpoint_is_named()
    {
        Assert.Equal(
            $"the last 3 training steps were not saved: the last checkpoint is that of step 4: {Place(4)}",
            AtEnd(step: 7, said: 4, 4));
        Assert.Equal(
            $"the last training step was not saved: the last checkpoint is that of step 4: {Place(4)}",
            AtEnd(step: 5, said: null, 4));
    }

    [Fact]
    public void A_resumed_run_that_ends_at_once_names_where_it_went_on_from() =>
        Assert.Equal(
            $"no training step was finished since the checkpoint of step 4: {Place(4)}", AtEnd(step: 4, said: null, 4));

    [Fact]
    public void Where_there_is_no_checkpoint_it_says_so_and_why()
    {
        Assert.Equal("nothing was saved: no training step was finished", AtEnd(step: 0, said: null));
        Assert.Equal(
            "nothing was saved: the run ended after training step 3 without a checkpoint", AtEnd(step: 3, said: null));
    }

    [Fact]
    public void A_run_that_ends_early_says_how_it_is_continued()
    {
        Assert.Equal(
            $"ended after step 2 of 400; to continue: rollout train --resume {EndLine.Shown(Run.Path)}",
            EndLine.Of(new TrainingProgress(2, 0, 1), 400, reached: null, Run, "train"));
        Assert.Equal(
            "target reached after step 300 of 400: it can add",
            EndLine.Of(new TrainingProgress(300, 0, 1), 400, "it can add", Run, "train"));
        Assert.Equal(
            "target reached before training: it can add", EndLine.Of(new TrainingProgress(0, 0, 1), 400, "it can add", Run, "train"));
        Assert.Null(EndLine.Of(new TrainingProgress(400, 0, 1), 400, "it can add", Run, "train"));
    }

    private string? AtEnd(int step, int? said, params int[] saved)
    {
        foreach (var at in saved)
            CheckpointStore.Write(Run.Checkpoint(at), new TrainingProgress(at, 0, 1), _ => { });
        return CheckpointLine.AtEnd(
            Run, new TrainingProgress(step, 0, 1), said is { } last ? new CheckpointSaved(last, Run.Checkpoint(last)) : null);
    }

    private string Place(int step) => EndLine.Shown(Run.Checkpoint(step));
}
