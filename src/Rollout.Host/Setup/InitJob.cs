using Rollout.Host.Invocation;
using Rollout.Host.Output;

namespace Rollout.Host.Setup;

/// <summary>Runs <c>rollout init</c>: writes a commented job file to start from.</summary>
public static class InitJob
{
    /// <exception cref="OutputException">The file is there already, or can't be written.</exception>
    public static async Task<int> RunAsync(InitOptions options, CommandContext context)
    {
        var path = OutputPath.OfFile(options.File, "init");
        if (File.Exists(path) && !options.Force)
            throw new OutputException($"'{options.File}' is there already: add --force to replace it, or name another file.");
        OutputPath.RequireRoomFor(path);
        await using var template = typeof(InitJob).Assembly.GetManifestResourceStream("job.conf")
            ?? throw new InvalidOperationException("job.conf is not embedded in rollout.");
        await using (var file = File.Create(path))
            await template.CopyToAsync(file);
        await context.Output.WriteLineAsync(
            $"{options.File}: set model.path and the data, then: rollout train --config {options.File}");
        return ExitCodes.Ok;
    }
}
