using System.Text.Json;
using Rollout.Actors.Settings;
using Rollout.Host.Engine;
using Rollout.Host.Invocation;

namespace Rollout.Host.Setup;

/// <summary>Runs <c>rollout doctor</c>: a line a check, each with what to do. Exits with 1 where one failed.</summary>
public static class DoctorJob
{
    /// <exception cref="ConfigurationException">The configuration can't be used.</exception>
    public static Task<int> RunAsync(DoctorOptions options, CommandContext context)
    {
        var settings = RolloutSettings.From(ConfigTree.Load(options.Config, options.Set));
        var checks = MachineChecks.Run(PolicyModel.IsCuda(settings)).Concat(options.Config is null ? [] : JobChecks.Run(settings));
        var failed = false;
        foreach (var check in checks)
        {
            failed |= check.Status == Check.Fail;
            context.Output.WriteLine(options.Json
                ? JsonSerializer.Serialize(check, JsonLines.Options)
                : $"{check.Status,-4}  {check.Name,-17}  {check.Said}");
        }
        return Task.FromResult(failed ? ExitCodes.Failure : ExitCodes.Ok);
    }
}
