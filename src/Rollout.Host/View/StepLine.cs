using Rollout.Host.Tracking;

namespace Rollout.Host.View;

/// <summary>Formats a training step as one line of plain text, for output that goes to a file or a pipe.</summary>
internal static class StepLine
{
    public static string Format(StepMetrics report, int steps, TimeSpan left)
    {
        List<string> parts =
        [
            $"step {report.Step}/{steps}",
            $"reward {Figures.Reward(report)}",
            $"rollout {Figures.Rate(report[Metrics.RolloutRate])}",
            $"train {Figures.Rate(report[Metrics.TrainRate])}",
            $"length {Figures.Length(report)}",
            $"kl {Figures.Number(report, Metrics.Kl, "0.0000")}",
            $"clip {Figures.Clip(report)}",
            $"blocks {Figures.Blocks(report)} shared {Figures.Sharing(report)}",
            $"logprob difference {Figures.LogprobDifference(report)}",
            $"{report[Metrics.StepSeconds]:0.0} s",
            $"left {Figures.Duration(left)}",
        ];
        if (report.Find(Metrics.HeldOutAccuracy) is { } accuracy)
            parts.Insert(2, $"held-out {accuracy:0.000}");
        if (report[Metrics.DroppedGroups] > 0)
            parts.Insert(2, $"drew {report[Metrics.DrawnGroups]} groups, dropped {report[Metrics.DroppedGroups]}");
        if (report[Metrics.FailedGroups] > 0)
            parts.Insert(2, $"failed groups {report[Metrics.FailedGroups]}");
        return string.Join("  ", parts);
    }
}
