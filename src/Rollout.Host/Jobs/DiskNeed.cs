using Rollout.Actors.Settings;
using Rollout.Actors.Training;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Gpu.Training;
using Rollout.Host.Output;
using Rollout.Host.View;

namespace Rollout.Host.Jobs;

/// <summary>The disk that a run's checkpoints need from here on, said when it starts.</summary>
/// <param name="BytesEach">Bytes of one checkpoint.</param>
/// <param name="Checkpoints">The most that come to those that are there; 0 where none does.</param>
/// <param name="Free">Bytes that are free where the run writes.</param>
internal sealed record DiskNeed(long BytesEach, long Checkpoints, long Free)
{
    public static DiskNeed Of(
        RunFolder run, TrainingJob job, RolloutSettings settings, TrainingProgress start, CausalLm model) => new(
        PolicyTrainer.CheckpointBytesOf(model, settings.Train.ToGrpoOptions(settings.Sampling, settings.Seed)),
        MostMore(job, settings.Output.KeepLast, start.Step, new CheckpointStore(run.Checkpoints).Steps().Count),
        new DriveInfo(run.Path).AvailableFreeSpace);

    /// <summary>The most checkpoints at once beyond those that are there.</summary>
    /// <param name="job">When it saves.</param>
    /// <param name="keepLast">Newest checkpoints that stay; 0 for all.</param>
    /// <param name="from">The step that the run goes on after.</param>
    /// <param name="there">Checkpoints that are there.</param>
    internal static long MostMore(TrainingJob job, int keepLast, int from, int there)
    {
        var steps = Math.Max(0, job.Train.Steps - from);
        var evaluations = job.KeepBest ? Multiples(job.Eval.Every) : 0;
        var written = Math.Min(steps, Multiples(job.CheckpointEvery) + evaluations + 1L);
        // One more is on the disk before an older one is removed.
        return keepLast == 0 ? written : Math.Min(written, Math.Max(1, keepLast + (job.KeepBest ? 2L : 1L) - there));

        long Multiples(int every) => every == 0 ? 0 : (job.Train.Steps / every) - (from / every);
    }

    public override string ToString()
    {
        var need = Checkpoints * BytesEach;
        return (need > Free ? "WARNING the disk is too small: " : "")
            + $"a checkpoint takes {Figures.Bytes(BytesEach)}, up to {Checkpoints} more take {Figures.Bytes(need)}, and"
            + $" {Figures.Bytes(Free)} are free";
    }
}
