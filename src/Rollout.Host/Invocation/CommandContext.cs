using Spectre.Console;

namespace Rollout.Host.Invocation;

/// <summary>The terminal and the stop signal that a command runs with.</summary>
public sealed class CommandContext
{
    /// <param name="live">Draws on standard output.</param>
    /// <param name="error">Standard error.</param>
    /// <param name="stop">Raised by Ctrl-C and SIGTERM.</param>
    public CommandContext(LiveArea live, TextWriter error, StopSignal stop)
    {
        Live = live;
        Output = live.Above(live.Console.Profile.Out.Writer);
        Error = error;
        Stop = stop;
    }

    /// <summary>Where a command draws its progress.</summary>
    public LiveArea Live { get; }

    /// <summary>Standard output, for tables and other things with a layout.</summary>
    public IAnsiConsole Console => Live.Console;

    /// <summary>Standard output, for lines: they are neither wrapped nor coloured.</summary>
    public TextWriter Output { get; }

    /// <summary>Standard error, for sentences only.</summary>
    public TextWriter Error { get; }

    public StopSignal Stop { get; }
}
