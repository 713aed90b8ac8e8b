using Rollout.Host.Invocation;
using Spectre.Console;

namespace Rollout.Host.Tests.Support;

/// <summary>The standard output of commands that run within a test.</summary>
internal static class Consoles
{
    /// <summary>A console that writes to <paramref name="output"/> as to a file, 110 columns wide.</summary>
    public static IAnsiConsole Plain(TextWriter output)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.No,
            ColorSystem = ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
            Out = new AnsiConsoleOutput(output),
        });
        console.Profile.Width = 110;
        console.Profile.Height = 40;
        console.Profile.Capabilities.Unicode = true;
        return console;
    }

    /// <summary>What a command draws on, where its output is no terminal.</summary>
    public static LiveArea NoLive(TextWriter output) => new(Plain(output));

    /// <summary>What a command runs with, where its output is no terminal and nobody stops it.</summary>
    public static CommandContext Context(TextWriter output, TextWriter? error = null, StopSignal? stop = null) =>
        new(NoLive(output), error ?? TextWriter.Null, stop ?? new StopSignal(_ => { }, _ => { }));

    /// <summary>What a command runs with on a terminal that shows standard error too.</summary>
    public static CommandContext Context(VirtualTerminal terminal)
    {
        var live = new LiveArea(terminal.Console);
        return new CommandContext(live, live.Above(terminal), new StopSignal(_ => { }, _ => { }));
    }
}
