using System.Text.Json;
using Rollout.Actors.Settings;
using Rollout.Host.Invocation;
using Rollout.Host.Jobs;

namespace Rollout.Host.Setup;

/// <summary>
/// Runs <c>rollout config</c>: prints the effective configuration, a key a line, each with where its value is written. The
/// output is a job file itself.
/// </summary>
public static class ConfigJob
{
    /// <exception cref="ConfigurationException">The configuration can't be used.</exception>
    public static Task<int> RunAsync(ConfigOptions options, CommandContext context)
    {
        var tree = ConfigTree.Load(options.Config ?? DefaultJob.Find(), options.Set);
        _ = RolloutSettings.From(tree); // what can't be used is refused here too
        var entries = tree.Entries().Where(entry => !(options.Changed && entry.IsDefault)).ToArray();
        if (options.Json)
        {
            foreach (var entry in entries)
                context.Output.WriteLine(JsonSerializer.Serialize(entry, JsonLines.Options));
            return Task.FromResult(ExitCodes.Ok);
        }
        var width = entries.Select(entry => Setting(entry).Length).Where(length => length <= MostAligned).Append(0).Max();
        foreach (var entry in entries)
            context.Output.WriteLine($"{Setting(entry).PadRight(width)}  # {(entry.IsDefault ? "default" : entry.Origin)}");
        return Task.FromResult(ExitCodes.Ok);
    }

    /// <summary>Longer settings move no other line's origin.</summary>
    private const int MostAligned = 60;

    private static string Setting(ConfigEntry entry) => $"{entry.Key} = {entry.Value}";
}
