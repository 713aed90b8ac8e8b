using System.Globalization;
using Rollout.Host.Tracking;

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
    public static string Count(double count, string noun) => count == 1 ? $"1 {noun}" : $"{count} {noun}s";

    /// <summary>A progress bar in Spectre's markup, with its percentage.</summary>
    public static string Bar(int done, int all)
    {
        var share = all > 0 ? Math.Clamp((double)done / all, 0, 1) : 1;
        var filled = (int)Math.Round(share * BarWidth);
        return $"[green]{new string('=', filled)}[/][dim]{new string('-', BarWidth - filled)}[/] {share:0%}";
    }

    public static string Reward(StepMetrics report) => $"{report[Metrics.Reward]:0.000} ± {report[Metrics.RewardStd]:0.000}";

    public static string Rate(double tokensPerSecond) => $"{tokensPerSecond:#,0} tok/s";

    public static string Length(StepMetrics report) =>
        $"{report[Metrics.MeanLength]:0.0} (max {report[Metrics.MaxLength]})";

    /// <summary>A metric in a format; "–" where the step did not measure it.</summary>
    public static string Number(StepMetrics report, Metric metric, string format) =>
        report.Find(metric)?.ToString(format, CultureInfo.CurrentCulture) ?? "–";

    public static string Clip(StepMetrics report) => Number(report, Metrics.ClipFraction, "0.0%");

    public static string Blocks(StepMetrics report) => $"{report[Metrics.BlocksPeak]}/{report[Metrics.BlocksTotal]}";

    public static string Sharing(StepMetrics report) => $"{report[Metrics.SharingRatio]:0.00}x";

    /// <summary>A size in the largest unit that it fills, with three digits.</summary>
    public static string Bytes(decimal bytes)
    {
        string[] units = ["B", "kB", "MB", "GB", "TB", "PB"];
        var (size, unit) = ((double)bytes, 0);
        for (; size >= 999.5 && unit < units.Length - 1; unit++)
            size /= 1000;
        return $"{Math.Round(size, size < 9.995 ? 2 : size < 99.95 ? 1 : 0)} {units[unit]}";
    }

    public static string LogprobDifference(StepMetrics report) => report.Find(Metrics.LogprobDifferenceMax) is not null
        ? $"{report[Metrics.LogprobDifferenceMean]:0.0e+0} (max {report[Metrics.LogprobDifferenceMax]:0.0e+0})"
        : "not measured";
}
