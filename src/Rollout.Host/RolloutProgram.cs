using Rollout.Actors.Settings;
using Rollout.Actors.Topology;
using Rollout.Gpu.Contracts;
using Rollout.Host.Commands;
using Rollout.Host.Invocation;
using Rollout.Host.Jobs;
using Rollout.Host.Output;
using Spectre.Console;

namespace Rollout.Host;

/// <summary>From arguments to an exit code, with Ctrl-C and every error on the way handled.</summary>
public static class RolloutProgram
{
    private static readonly HashSet<Type> BadInput =
    [
        typeof(CommandLineException), typeof(ConfigurationException), typeof(CheckpointException),
        typeof(OutputException), typeof(InvalidDataException), typeof(UnsupportedModelException),
    ];

    private static readonly HashSet<Type> Failures = [typeof(DeviceException), typeof(MembershipException)];

    /// <summary>What the program can do.</summary>
    public static CommandHandlers Commands { get; } = new()
    {
        Train = TrainJob.RunAsync,
        Pretrain = PretrainJob.RunAsync,
        Generate = GenerateJob.RunAsync,
        Bench = BenchJob.RunAsync,
        Host = HostJob.RunAsync,
    };

    public static async Task<int> RunAsync(
        string[] arguments, CommandHandlers handlers, IAnsiConsole console, TextWriter error)
    {
        using var stop = new StopSignal(error.WriteLine, code => End(console, code));
        using var listening = stop.Listen();
        try
        {
            return await RolloutCommandLine.RunAsync(arguments, handlers, new CommandContext(console, error, stop));
        }
        catch (Exception thrown)
        {
            return new ErrorReport(error, ErrorReport.TraceWanted, BadInput, Failures).Write(thrown);
        }
    }

    private static void End(IAnsiConsole console, int code)
    {
        if (console.Profile.Out.IsTerminal)
            console.Cursor.Show(); // a live view hides it
        Environment.Exit(code);
    }
}
