using System.Text.Json;
using Rollout.Host.Commands;
using Rollout.Host.Jobs;
using Xunit;

namespace Rollout.Host.Tests.Support;

/// <summary>A training run from its arguments to its folder.</summary>
internal static class TrainRun
{
    /// <summary>Trains to the end in a folder that must be new.</summary>
    public static async Task RunAsync(string config, string output, params string[] settings)
    {
        using var shown = new StringWriter();
        using var error = new StringWriter();
        var code = await RolloutProgram.RunAsync(
            ["train", "--config", config, "--out", output, .. settings.SelectMany(set => (string[])["--set", set])],
            new CommandHandlers { Train = TrainJob.RunAsync },
            Consoles.Plain(shown),
            error);
        Assert.True(code == ExitCodes.Ok, error.ToString());
    }

    /// <summary>The lines of metrics.jsonl or rollouts.jsonl.</summary>
    public static JsonElement[] Lines(string output, string file) =>
        [.. File.ReadLines(Path.Combine(output, file)).Select(line => JsonSerializer.Deserialize<JsonElement>(line))];
}
