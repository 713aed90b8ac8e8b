using System.Text.Json;
using Rollout.Host.Invocation;
using Xunit;

namespace Rollout.Host.Tests.Support;

/// <summary>A training run from its arguments to its folder.</summary>
internal static class TrainRun
{
    /// <summary>Trains to the end in a folder that must be new.</summary>
    public static async Task RunAsync(string config, string output, params string[] settings)
    {
        var (code, _, error) = await RolloutRun.RunAsync(
            ["train", "--config", config, "--out", output, .. settings.SelectMany(set => (string[])["--set", set])]);
        Assert.True(code == ExitCodes.Ok, error);
    }

    /// <summary>The lines of metrics.jsonl or rollouts.jsonl.</summary>
    public static JsonElement[] Lines(string output, string file) =>
        [.. File.ReadLines(Path.Combine(output, file)).Select(line => JsonSerializer.Deserialize<JsonElement>(line))];
}
