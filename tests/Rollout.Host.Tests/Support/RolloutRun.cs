namespace Rollout.Host.Tests.Support;

/// <summary>The product's commands, run as a shell would run them, but in this process.</summary>
internal static class RolloutRun
{
    /// <summary>A job of the repository, as it was copied beside the program.</summary>
    public static string Job(string name) => Path.Combine(AppContext.BaseDirectory, "config", name);

    public static async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = await RolloutProgram.RunAsync(arguments, RolloutProgram.Commands, Consoles.NoLive(output), error);
        return (code, output.ToString(), error.ToString());
    }
}
