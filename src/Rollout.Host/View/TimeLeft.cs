using Rollout.Host.Output;

namespace Rollout.Host.View;

/// <summary>Estimates how long a run will still take.</summary>
internal static class TimeLeft
{
    private const int Window = 20;

    /// <summary>The remaining steps at the mean time of the last 20; zero before the first step and after the last.</summary>
    public static TimeSpan Estimate(IReadOnlyList<StepReport> reports)
    {
        if (reports.Count == 0)
            return TimeSpan.Zero;
        var last = reports[^1];
        var stepSeconds = reports.Skip(reports.Count - Window).Average(report => report.TotalSeconds);
        return double.IsFinite(stepSeconds)
            ? TimeSpan.FromSeconds(Math.Max(0, last.Steps - last.Step) * stepSeconds)
            : TimeSpan.Zero;
    }
}
