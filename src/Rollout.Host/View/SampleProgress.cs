using Spectre.Console;

namespace Rollout.Host.View;

/// <summary>A bar on a terminal that fills as samples finish; nothing elsewhere.</summary>
public static class SampleProgress
{
    /// <summary>Runs the work, which tells how many samples have finished since it last told.</summary>
    public static Task RunAsync(IAnsiConsole console, int samples, Func<Action<int>, Task> work)
    {
        var capabilities = console.Profile.Capabilities;
        if (!(console.Profile.Out.IsTerminal && capabilities.Ansi && capabilities.Interactive))
            return work(_ => { });
        return console.Progress()
            .AutoClear(true)
            .Columns(
                new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .StartAsync(async bars =>
            {
                var bar = bars.AddTask("samples", maxValue: samples);
                await work(finished => bar.Increment(finished));
            });
    }
}
