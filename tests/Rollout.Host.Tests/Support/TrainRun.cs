using System.Text.Json;
using Rollout.Host.Invocation;
using Xunit;

namespace Rollout.Host.Tests.Support;

/// <summary>A training run from its arguments to its folder.</summary>
internal static class TrainRun
{
    /// <summary>What a clock measures, or follows from when messages came: how many sequences ran at once.</summary>
    private static readonly string[] Timing =
    [
        "step_time", "time/rollout", "time/train", "time/other", "throughput/rollout", "throughput/train",
        "kv/blocks_peak", "kv/sharing_ratio", "kv/preemptions",
    ];

    /// <summary>Trains to the end in a folder that must be new.</summary>
    public static async Task RunAsync(string config, string output, params string[] settings)
    {
        var (code, _, error) = await RolloutRun.RunAsync(
            ["train", "--config", config, "--out", output, .. settings.SelectMany(set => (string[])["--set", set])]);
        Assert.True(code == ExitCodes.Ok, error);
    }

    /// <summary>The lines of metrics.jsonl without times.</summary>
    public static string[] TimelessMetrics(string output) =>
    [
        .. Lines(output, "metrics.jsonl").Select(line => string.Join(
            ", ", line.EnumerateObject().Where(metric => !Timing.Contains(metric.Name)).Select(metric => metric.ToString()))),
    ];

    /// <summary>The lines of metrics.jsonl or rollouts.jsonl.</summary>
    public static JsonElement[] Lines(string output, string file) =>
        [.. File.ReadLines(Path.Combine(output, file)).Select(line => JsonSerializer.Deserialize<JsonElement>(line))];
}
