using Rollout.Host.Output;

namespace Rollout.Host.View;

/// <summary>A measured held-out accuracy.</summary>
/// <param name="Step">The training step after which it was measured; 0 before training.</param>
/// <param name="Share">The share of held-out prompts that were answered right, 0 … 1.</param>
internal sealed record HeldOutAccuracy(int Step, double Share)
{
    /// <summary>When it was measured.</summary>
    public string At => Step == 0 ? "before training" : $"step {Step}";

    /// <summary>All measurements of a run, in order.</summary>
    /// <param name="start">Measured before the first step of this process; null where it was not.</param>
    /// <param name="reports">The finished steps.</param>
    public static IReadOnlyList<HeldOutAccuracy> All(HeldOutAccuracy? start, IReadOnlyList<StepReport> reports)
    {
        var measured = from report in reports
                       where report.HeldOutAccuracy is not null && report.Step != start?.Step
                       select new HeldOutAccuracy(report.Step, report.HeldOutAccuracy!.Value);
        return [.. (start is null ? measured : measured.Append(start)).OrderBy(one => one.Step)];
    }

    public override string ToString() => $"{Share:0.000} ({At})";
}
