using Rollout.Host.Invocation;

namespace Rollout.Host.Serve;

/// <summary>
/// Runs <c>rollout serve</c>: an HTTP server for clients of OpenAI's API over the same scheduler and decoders as the other
/// commands.
/// </summary>
internal static class ServeJob
{
    public static async Task<int> RunAsync(ServeOptions options, CommandContext context)
    {
        await using var running = await RunningServer.StartAsync(options, context);
        await context.Output.WriteLineAsync($"serving {running.Model} at {running.Address}v1; Ctrl-C ends it");
        if (await running.RunUntilAsync(context.Stop.Token) is not { } reason)
            return ExitCodes.Ok;
        await context.Error.WriteLineAsync(reason);
        return ExitCodes.Failure;
    }
}
