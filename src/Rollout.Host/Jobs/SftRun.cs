using System.Diagnostics;
using Rollout.Actors.Settings;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Training;
using Rollout.Host.Output;
using Rollout.Host.Tracking;
using Rollout.Host.View;

namespace Rollout.Host.Jobs;

/// <summary>The steps of supervised fine-tuning, their record and their checkpoints.</summary>
/// <param name="trainer">Has the weights and the optimizer's state of the start.</param>
/// <param name="examples">What it learns from.</param>
/// <param name="settings">The whole configuration.</param>
/// <param name="companions">The folder whose tokenizer files checkpoints get.</param>
/// <param name="run">The run's folder.</param>
/// <param name="say">Shows a line.</param>
internal sealed class SftRun(
    SupervisedTrainer trainer, SftExamples examples, RolloutSettings settings, string companions, RunFolder run, Action<string> say)
{
    private const int MostLines = 200;

    private readonly SftSettings _sft = settings.Sft;
    private readonly int _steps = settings.Sft.StepsOver(examples.Count);

    private readonly long _began = Stopwatch.GetTimestamp();
    private int _first;

    /// <summary>Trains until the last step, or until it is to stop, and saves.</summary>
    /// <param name="start">Where the run stands.</param>
    /// <param name="stop">Ends the run after the step that it is in.</param>
    /// <returns>The last step, which is saved.</returns>
    /// <exception cref="NotFiniteNumberException">
    /// Too many steps in a row are not finite; the steps before the last one are saved.
    /// </exception>
    /// <exception cref="DeviceFaultException">An example does not fit into memory; the steps before it are saved.</exception>
    public TrainingProgress Train(TrainingProgress start, CancellationToken stop)
    {
        using var metrics = start.Step == 0 ? MetricsFile.Create(run) : MetricsFile.Resume(run, start.Step);
        var followers = new MetricFollowers(
            settings.Output.TensorBoard ? [new TensorBoardFile(run, start.Step == 0 ? null : start.Step)] : []);
        var tokens = MetricsFile.Read(run) is [.., var last] ? last.Values.GetValueOrDefault(SftMetrics.Tokens) : 0;
        var (progress, saved) = (start, start.Step);
        _first = start.Step;
        if (start.Step == 0 && HeldOutFit() is { } before)
        {
            Record(SftMetrics.BeforeTraining(before));
            say($"held-out loss before training: {before.Loss:0.000}");
        }
        try
        {
            while (progress.Step < _steps && !stop.IsCancellationRequested)
            {
                progress = Step(progress, ref tokens, Record);
                if (settings.Output.CheckpointEvery > 0 && progress.Step % settings.Output.CheckpointEvery == 0)
                    Save();
            }
            Save();
        }
        catch (Exception cause) when (cause is NotFiniteNumberException or DeviceFaultException && saved < progress.Step)
        {
            Save();
            throw;
        }
        finally
        {
            followers.Complete(say);
        }
        return progress;

        void Record(StepMetrics step)
        {
            var record = new StepRecord(step);
            metrics.Write(record);
            followers.Write(record, say);
        }

        void Save()
        {
            if (saved == progress.Step)
                return;
            trainer.Save(run.Checkpoint(progress.Step), progress, companions);
            saved = progress.Step;
            OlderCheckpoints.Remove(run, settings.Output.KeepLast, best: null, say);
        }
    }

    private TrainingProgress Step(TrainingProgress progress, ref double tokens, Action<StepMetrics> record)
    {
        var started = Stopwatch.GetTimestamp();
        var (batch, names, cursor) = examples.Next(progress.DataCursor, _sft.BatchSize);
        var made = trainer.Step(batch, names);
        var step = progress.Step + 1;
        tokens += batch.Sum(example => example.Prompt.Length + example.Completion.Length);
        var evaluates = step == _steps || (_sft.EvalEvery > 0 && step % _sft.EvalEvery == 0);
        var heldOut = evaluates ? HeldOutFit() : null;
        record(SftMetrics.Of(
            step, made, (double)step * _sft.BatchSize / examples.Count, tokens,
            Stopwatch.GetElapsedTime(started).TotalSeconds, heldOut));
        if (made.Skipped is { } reason)
            say($"WARNING step {step} changed no weight: {reason}");
        if (heldOut is not null || step == _steps || step % Math.Max(1, _steps / MostLines) == 0)
        {
            say($"step {step}/{_steps}  loss {made.Fit.Loss:0.000}  token accuracy {made.Fit.TokenAccuracy:0.000}"
                + (heldOut is null ? "" : $"  held-out loss {heldOut.Loss:0.000}")
                + $"  left {Figures.Duration(Stopwatch.GetElapsedTime(_began) * (_steps - step) / (step - _first))}");
        }
        return progress with { Step = step, DataCursor = cursor };
    }

    private SupervisedFit? HeldOutFit() => examples.HeldOut.Count == 0 ? null : trainer.Measure(examples.HeldOut);
}
