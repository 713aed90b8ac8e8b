using Rollout.Gpu.Adapters;
using Rollout.Gpu.Interop;
using Rollout.Host.Invocation;
using Rollout.Host.Output;

namespace Rollout.Host.Jobs;

/// <summary>Runs <c>rollout export</c>: merges an adapter into its model.</summary>
public static class ExportJob
{
    public static Task<int> RunAsync(ExportOptions options, CommandContext context)
    {
        if (Path.Exists(options.Out))
            throw new OutputException($"'{options.Out}' already exists: the merged model needs a new folder.");
        OutputPath.RequireRoomFor(options.Out);
        LibTorch.Load(cuda: false);
        PeftAdapter.WriteMerged(options.Model, options.Adapter, options.Out);
        context.Output.WriteLine($"model: {options.Out}");
        return Task.FromResult(ExitCodes.Ok);
    }
}
