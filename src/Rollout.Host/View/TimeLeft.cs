using Rollout.Host.Tracking;

namespace Rollout.Host.View;

/// <summary>Estimates how long a run will still take.</summary>
internal static class TimeLeft
{
    private const int Window = 20;

    /// <summary>The remaining steps at the mean time of the last 20; zero before the first step and after the last.</summary>
    public static TimeSpan Estimate(IReadOnlyList<StepMetrics> reports, int steps)
    {
        if (reports.Count == 0)
            return TimeSpan.Zero;
        var stepSeconds = reports.Skip(reports.Count - Window).Average(report => report[Metrics.StepSeconds]);
        return double.IsFinite(stepSeconds)
            ? TimeSpan.FromSeconds(Math.Max(0, steps - reports[^1].Step) * stepSeconds)
            : TimeSpan.Zero;
    }
}
