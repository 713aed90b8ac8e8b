using Rollout.Actors.Protocol;

namespace Rollout.Host.Tracking;

/// <summary>A number that a run records of each training step. docs/metrics.md describes every one.</summary>
/// <param name="Name">Its name in metrics.jsonl and TensorBoard: TRL's where TRL has the metric.</param>
/// <param name="Of">Computes it from a finished step; null where the step did not measure it.</param>
public sealed record Metric(string Name, Func<TrainingStepFinished, double?> Of);
