using Rollout.Host.Output;

namespace Rollout.Host.View;

/// <summary>How the view writes numbers, alike in the panel, the lines and the summary.</summary>
internal static class Figures
{
    /// <summary>Hours:minutes:seconds, days counted as hours.</summary>
    public static string Duration(TimeSpan time)
    {
        var seconds = (long)Math.Round(time.TotalSeconds);
        return $"{seconds / 3600}:{seconds / 60 % 60:00}:{seconds % 60:00}";
    }

    public static string Reward(StepReport report) => $"{report.RewardMean:0.000} ± {report.RewardStd:0.000}";

    public static string Accuracy(double? share) => share is { } known ? $"{known:0.000}" : "-";

    public static string Rate(double tokensPerSecond) => $"{tokensPerSecond:#,0} tok/s";

    public static string Length(StepReport report) =>
        $"{report.MeanCompletionLength:0.0} (max {report.MaxCompletionLength})";

    public static string Clip(StepReport report) => $"{report.ClipFraction:0.0%}";

    public static string Blocks(StepReport report) => $"{report.BlocksInUsePeak}/{report.BlocksTotal}";

    public static string Sharing(StepReport report) => $"{report.SharingRatio:0.00}x";

    public static string LogprobDifference(StepReport report) =>
        $"{report.LogprobDifferenceMean:0.0e+0} (max {report.LogprobDifferenceMax:0.0e+0})";
}
