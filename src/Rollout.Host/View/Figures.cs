using Rollout.Host.Output;

namespace Rollout.Host.View;

/// <summary>Formats numbers for the panel, the lines and the summary.</summary>
internal static class Figures
{
    private const int BarWidth = 40;

    /// <summary>Hours:minutes:seconds, days counted as hours.</summary>
    public static string Duration(TimeSpan time)
    {
        var seconds = (long)Math.Round(time.TotalSeconds);
        return $"{seconds / 3600}:{seconds / 60 % 60:00}:{seconds % 60:00}";
    }

    /// <summary>A measured time: below a minute in seconds with a digit behind the point.</summary>
    public static string Elapsed(TimeSpan time) => time.TotalSeconds < 59.95 ? $"{time.TotalSeconds:0.0} s" : Duration(time);

    /// <summary>"1 step", "2 steps".</summary>
    public static string Count(long count, string noun) => count == 1 ? $"1 {noun}" : $"{count} {noun}s";

    /// <summary>A progress bar in Spectre's markup, with its percentage.</summary>
    public static string Bar(int done, int all)
    {
        var share = all > 0 ? Math.Clamp((double)done / all, 0, 1) : 1;
        var filled = (int)Math.Round(share * BarWidth);
        return $"[green]{new string('=', filled)}[/][dim]{new string('-', BarWidth - filled)}[/] {share:0%}";
    }

    public static string Reward(StepReport report) => $"{report.RewardMean:0.000} ± {report.RewardStd:0.000}";

    public static string Rate(double tokensPerSecond) => $"{tokensPerSecond:#,0} tok/s";

    public static string Length(StepReport report) =>
        $"{report.MeanCompletionLength:0.0} (max {report.MaxCompletionLength})";

    public static string Clip(StepReport report) => $"{report.ClipFraction:0.0%}";

    public static string Blocks(StepReport report) => $"{report.BlocksInUsePeak}/{report.BlocksTotal}";

    public static string Sharing(StepReport report) => $"{report.SharingRatio:0.00}x";

    public static string LogprobDifference(StepReport report) => HasTrained(report)
        ? $"{report.LogprobDifferenceMean:0.0e+0} (max {report.LogprobDifferenceMax:0.0e+0})"
        : "not measured";

    /// <summary>Whether a group had rewards that differ. Without one nothing was compared: those metrics are NaN.</summary>
    public static bool HasTrained(StepReport report) => report is not { Loss: 0, GradientNorm: 0 };

    /// <summary>Whether every metric of the policy and its update is a finite number.</summary>
    public static bool AreFinite(StepReport report)
    {
        double[] always = [report.RewardMean, report.RewardStd, report.Loss, report.GradientNorm, report.Kl, report.ClipFraction];
        double[] compared = [report.Entropy, report.LogprobDifferenceMean, report.LogprobDifferenceMax];
        return always.All(double.IsFinite) && (!HasTrained(report) || compared.All(double.IsFinite));
    }
}
