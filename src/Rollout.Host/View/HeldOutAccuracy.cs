using Rollout.Host.Tracking;

namespace Rollout.Host.View;

/// <summary>A measured held-out accuracy.</summary>
/// <param name="Step">The training step after which it was measured; 0 before training.</param>
/// <param name="Share">The share of held-out prompts that were answered right, 0 … 1.</param>
internal sealed record HeldOutAccuracy(int Step, double Share)
{
    /// <summary>When it was measured.</summary>
    public string At => Step == 0 ? "before training" : $"step {Step}";

    /// <summary>All measurements of a run, in order.</summary>
    /// <param name="starts">Measured before the first step of the run, or of this process.</param>
    /// <param name="reports">The finished steps.</param>
    public static IReadOnlyList<HeldOutAccuracy> All(IEnumerable<HeldOutAccuracy> starts, IEnumerable<StepMetrics> reports) =>
        [.. starts.Concat(reports.SelectMany(Of)).DistinctBy(one => one.Step).OrderBy(one => one.Step)];

    /// <summary>The measurement after a step, where there was one.</summary>
    public static IEnumerable<HeldOutAccuracy> Of(StepMetrics step) =>
        step.Find(Metrics.HeldOutAccuracy) is { } share ? [new HeldOutAccuracy(step.Step, share)] : [];

    public override string ToString() => $"{Share:0.000} ({At})";
}
