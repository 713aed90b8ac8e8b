using Rollout.Actors.Settings;
using Rollout.Actors.Topology;
using Rollout.Gpu.Contracts;
using Rollout.Host.Commands;
using Rollout.Host.Invocation;
using Rollout.Host.Jobs;
using Rollout.Host.Output;
using Rollout.Host.Serve;
using Rollout.Host.Setup;

namespace Rollout.Host;

/// <summary>Runs a command line and returns an exit code. Handles Ctrl-C, SIGTERM and every exception on the way.</summary>
internal static class RolloutProgram
{
    private static readonly HashSet<Type> BadInput =
    [
        typeof(CommandLineException), typeof(ConfigurationException), typeof(CheckpointException),
        typeof(OutputException), typeof(InvalidDataException), typeof(UnsupportedModelException),
    ];

    private static readonly HashSet<Type> Failures = [typeof(DeviceException), typeof(MembershipException), typeof(NotFiniteNumberException)];

    /// <summary>The commands of the program.</summary>
    public static CommandHandlers Commands { get; } = new()
    {
        Train = TrainJob.RunAsync,
        Pretrain = PretrainJob.RunAsync,
        Sft = SftJob.RunAsync,
        Export = ExportJob.RunAsync,
        Generate = GenerateJob.RunAsync,
        Serve = ServeJob.RunAsync,
        Bench = BenchJob.RunAsync,
        Host = HostJob.RunAsync,
        Init = InitJob.RunAsync,
        Config = ConfigJob.RunAsync,
        Doctor = DoctorJob.RunAsync,
    };

    /// <param name="arguments">The command line without the program's name.</param>
    /// <param name="handlers">The commands.</param>
    /// <param name="live">Draws on standard output.</param>
    /// <param name="error">Standard error.</param>
    public static async Task<int> RunAsync(string[] arguments, CommandHandlers handlers, LiveArea live, TextWriter error)
    {
        using var stop = new StopSignal(error.WriteLine, code => End(live, code));
        using var listening = stop.Listen();
        try
        {
            return await RolloutCommandLine.RunAsync(arguments, handlers, new CommandContext(live, error, stop));
        }
        catch (Exception thrown)
        {
            return new ErrorReport(error, ErrorReport.TraceWanted, stop.ExitCode, BadInput, Failures).Write(thrown);
        }
    }

    private static void End(LiveArea live, int code)
    {
        live.Leave(); // shows the cursor
        ProcessExit.Now(code);
    }
}
