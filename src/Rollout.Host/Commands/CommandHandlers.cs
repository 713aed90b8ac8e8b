using Rollout.Host.Invocation;

namespace Rollout.Host.Commands;

/// <summary>Runs a command with its options and returns one of <see cref="ExitCodes"/>.</summary>
public delegate Task<int> CommandHandler<in TOptions>(TOptions options, CommandContext context);

/// <summary>The jobs behind the commands. A command without a handler is not part of the command line.</summary>
public sealed record CommandHandlers
{
    public CommandHandler<TrainOptions>? Train { get; init; }

    public CommandHandler<PretrainOptions>? Pretrain { get; init; }

    public CommandHandler<SftOptions>? Sft { get; init; }

    public CommandHandler<ExportOptions>? Export { get; init; }

    public CommandHandler<GenerateOptions>? Generate { get; init; }

    public CommandHandler<ServeOptions>? Serve { get; init; }

    public CommandHandler<BenchOptions>? Bench { get; init; }

    public CommandHandler<HostOptions>? Host { get; init; }

    public CommandHandler<ConfigOptions>? Config { get; init; }

    public CommandHandler<InitOptions>? Init { get; init; }

    public CommandHandler<DoctorOptions>? Doctor { get; init; }
}
