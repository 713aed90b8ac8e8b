using Rollout.Host.Output;

namespace Rollout.Host.View;

/// <summary>Formats a training step as one line of plain text, for output that goes to a file or a pipe.</summary>
internal static class StepLine
{
    public static string Format(StepReport report, TimeSpan left)
    {
        List<string> parts =
        [
            $"step {report.Step}/{report.Steps}",
            $"reward {Figures.Reward(report)}",
            $"rollout {Figures.Rate(report.RolloutTokensPerSecond)}",
            $"train {Figures.Rate(report.TrainTokensPerSecond)}",
            $"length {Figures.Length(report)}",
            $"kl {report.Kl:0.0000}",
            $"clip {Figures.Clip(report)}",
            $"blocks {Figures.Blocks(report)} shared {Figures.Sharing(report)}",
            $"logprob difference {Figures.LogprobDifference(report)}",
            $"{report.TotalSeconds:0.0} s",
            $"left {Figures.Duration(left)}",
        ];
        if (report.HeldOutAccuracy is { } accuracy)
            parts.Insert(2, $"held-out {accuracy:0.000}");
        if (report.FailedGroups > 0)
            parts.Insert(2, $"failed groups {report.FailedGroups}");
        return string.Join("  ", parts);
    }
}
