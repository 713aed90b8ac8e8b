using System.Threading.Channels;
using Rollout.Host.Output;
using Spectre.Console;

namespace Rollout.Host.View;

/// <summary>
/// A run on a console: a panel that is refreshed in place on a terminal, a line a step without any escape sequence
/// elsewhere, and a summary at the end. One task owns the console; <see cref="DisposeAsync"/> waits for it.
/// </summary>
public sealed class TrainingView : IAsyncDisposable
{
    private readonly Channel<object> _shown =
        Channel.CreateUnbounded<object>(new UnboundedChannelOptions { SingleReader = true });

    private readonly IAnsiConsole _console;
    private readonly List<StepReport> _reports = [];
    private readonly Task _showing;

    /// <param name="console">Where to show the run.</param>
    /// <param name="inPlace">Refresh a panel; null asks the console whether it is a terminal that can.</param>
    /// <param name="earlier">The steps of a resumed run that are done already, for the summary.</param>
    public TrainingView(IAnsiConsole console, bool? inPlace = null, IReadOnlyList<StepReport>? earlier = null)
    {
        _console = console;
        _reports.AddRange(earlier ?? []);
        var capabilities = console.Profile.Capabilities;
        var live = inPlace ?? (console.Profile.Out.IsTerminal && capabilities.Ansi && capabilities.Interactive);
        _showing = live ? Task.Run(ShowPanelAsync) : Task.Run(ShowLinesAsync);
    }

    /// <summary>Shows a finished training step.</summary>
    public void Report(StepReport report) => _shown.Writer.TryWrite(report);

    /// <summary>Shows a line that stays, such as a checkpoint's. Calls come from any thread and return at once.</summary>
    public void Say(string line) => _shown.Writer.TryWrite(line);

    public async ValueTask DisposeAsync()
    {
        _shown.Writer.TryComplete();
        await _showing;
    }

    private async Task ShowLinesAsync()
    {
        // The console's writer, not its renderer: a renderer breaks lines at the console's width.
        var output = _console.Profile.Out.Writer;
        await foreach (var shown in _shown.Reader.ReadAllAsync())
        {
            await output.WriteLineAsync(shown is StepReport report ? Line(report) : (string)shown);
            await output.FlushAsync();
        }

        _console.Write(RunSummary.Render(_reports));
        _console.WriteLine();
    }

    private async Task ShowPanelAsync()
    {
        await _console.Live(StepPanel.Waiting).StartAsync(async live =>
        {
            live.Refresh();
            await foreach (var shown in _shown.Reader.ReadAllAsync())
            {
                if (shown is StepReport report)
                {
                    _reports.Add(report);
                    live.UpdateTarget(StepPanel.Render(_reports));
                }
                else
                {
                    _console.WriteLine((string)shown);
                }
            }
        });
        _console.Write(RunSummary.Render(_reports));
        _console.WriteLine();
    }

    private string Line(StepReport report)
    {
        _reports.Add(report);
        return StepLine.Format(report, TimeLeft.Estimate(_reports));
    }
}
