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
    /// <param name="longest">Tokens of the longest sequence, as far as the job tells: a micro-batch holds it whole.</param>
    /// <param name="context">The console.</param>
    /// <returns>Failure where the device is here and has less memory free.</returns>
    public static async Task<int> RunAsync(ModelConfig model, RolloutSettings settings, int longest, CommandContext context)
    {
        var (dtype, options) = (PolicyModel.Dtype(settings), settings.Train.ToGrpoOptions(settings.Sampling, settings.Seed));
        var cuda = PolicyModel.IsCuda(settings);
        options = options with
        {
            Autograd = options.Autograd || !cuda,
            MicroBatchTokens = Math.Max(options.MicroBatchTokens, longest),
        };
        var need = MemoryNeed.Of(model, dtype, options);
        foreach (var line in Lines(need, options.Autograd))
            await context.Output.WriteLineAsync(line);
        if (!cuda)
            return ExitCodes.Ok;
        foreach (var (setting, less) in MemoryNeed.Savings(model, dtype, options, longest))
            await context.Output.WriteLineAsync(Line(less.Bytes, $"in all with {setting}"));
        if (FreeBytes(settings) is not { } free)
            return ExitCodes.Ok;
        var fits = need.Bytes <= free;
        var how = fits ? "the job fits" : MemoryNeed.Fitting(model, dtype, options, free, longest) is { } found
            ? $"the job fits with {found}"
            : "no setting makes the job fit";
        await context.Output.WriteLineAsync($"{Figures.Bytes(free)} are free: {how}.");
        return fits ? ExitCodes.Ok : ExitCodes.Failure;
    }

    private static IEnumerable<string> Lines(MemoryNeed need, bool autograd)
    {
        foreach (var part in need.Parts)
            yield return Line(part.Bytes, part.Name);
        yield return Line(need.Bytes, "in all");
        if (autograd)
            yield return "Not counted is what autograd keeps of a micro-batch.";
        if (need.HostBytes > 0)
            yield return Line(need.HostBytes, "of the host's memory for the optimizer's state");
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
