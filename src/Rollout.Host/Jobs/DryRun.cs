using Rollout.Actors.Settings;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Training;
using Rollout.Host.Engine;
using Rollout.Host.Invocation;
using Rollout.Host.View;

namespace Rollout.Host.Jobs;

/// <summary>Says what memory training will take, and with which settings less, in place of training.</summary>
internal static class DryRun
{
    /// <summary>Prints the need by parts.</summary>
    /// <param name="model">The model's shape.</param>
    /// <param name="settings">The job.</param>
    /// <param name="context">The console.</param>
    /// <returns>Failure where the device is here and has less memory free.</returns>
    public static async Task<int> RunAsync(ModelConfig model, RolloutSettings settings, CommandContext context)
    {
        var (dtype, options) = (PolicyModel.Dtype(settings), settings.Train.ToGrpoOptions(settings.Sampling, settings.Seed));
        var cuda = PolicyModel.IsCuda(settings);
        options = options with { Autograd = options.Autograd || !cuda };
        var need = MemoryNeed.Of(model, dtype, options);
        var free = cuda ? FreeBytes(settings) : null;
        foreach (var line in Lines(need, MemoryNeed.Savings(model, dtype, options), options.Autograd, free))
            await context.Output.WriteLineAsync(line);
        return free < need.Bytes ? ExitCodes.Failure : ExitCodes.Ok;
    }

    private static IEnumerable<string> Lines(
        MemoryNeed need, IEnumerable<(string Setting, MemoryNeed Need)> savings, bool autograd, long? free)
    {
        foreach (var part in need.Parts)
            yield return Line(part.Bytes, part.Name);
        yield return Line(need.Bytes, "in all");
        if (autograd)
            yield return "Not counted is what autograd keeps of a micro-batch.";
        foreach (var (setting, less) in savings)
            yield return Line(less.Bytes, $"in all with {setting}");
        if (free is { } room)
            yield return $"{Figures.Bytes(room)} are free: {(room < need.Bytes ? "the job does not fit" : "the job fits")}.";
    }

    private static string Line(decimal bytes, string what) => $"{Figures.Bytes(bytes),9}  {what}";

    /// <summary>Null where the device is not on this machine.</summary>
    private static long? FreeBytes(RolloutSettings settings)
    {
        try
        {
            using var memory = PolicyModel.Memory(settings);
            return memory?.Read().Free;
        }
        catch (DeviceException)
        {
            return null;
        }
    }
}
