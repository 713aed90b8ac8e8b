using Spectre.Console;

namespace Rollout.Host.Tests.Support;

internal static class Consoles
{
    /// <summary>A console that writes to <paramref name="output"/> as to a file, 110 columns wide.</summary>
    public static IAnsiConsole Plain(TextWriter output) => Create(output, AnsiSupport.No, InteractionSupport.No);

    /// <summary>A console that writes to <paramref name="output"/> as to a terminal.</summary>
    public static IAnsiConsole Terminal(TextWriter output) => Create(output, AnsiSupport.Yes, InteractionSupport.Yes);

    private static IAnsiConsole Create(TextWriter output, AnsiSupport ansi, InteractionSupport interactive)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = ansi,
            ColorSystem = ansi == AnsiSupport.Yes ? ColorSystemSupport.Standard : ColorSystemSupport.NoColors,
            Interactive = interactive,
            Out = new AnsiConsoleOutput(output),
        });
        console.Profile.Width = 110;
        console.Profile.Height = 40;
        console.Profile.Capabilities.Unicode = true;
        return console;
    }
}
