using Rollout.Host.Output;

namespace Rollout.Host.View;

/// <summary>How long a run will still take, from the time of its latest steps.</summary>
public static class TimeLeft
{
    private const int Window = 20;

    /// <summary>The steps to come at the mean time of the last 20; zero before the first and after the last.</summary>
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
