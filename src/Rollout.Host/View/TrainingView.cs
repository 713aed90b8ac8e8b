using Rollout.Host.Invocation;
using Rollout.Host.Tracking;
using Spectre.Console;

namespace Rollout.Host.View;

/// <summary>
/// Shows a training run: on a terminal a panel that is drawn over in place, elsewhere a line a step without escape
/// sequences, and at the end a summary. Calls may come from any thread.
/// </summary>
internal sealed class TrainingView : IDisposable
{
    private readonly Lock _turn = new();
    private readonly CommandContext _context;
    private readonly int _steps;
    private readonly RunTotals _run = new();

    /// <param name="context">The terminal.</param>
    /// <param name="steps">Training steps of the run.</param>
    /// <param name="earlier">The recorded steps of a resumed run, step 0 included; the summary counts them.</param>
    public TrainingView(CommandContext context, int steps, IReadOnlyList<StepMetrics>? earlier = null)
    {
        _context = context;
        _steps = steps;
        foreach (var step in earlier ?? [])
        {
            if (step.Step > 0)
                _run.Add(step);
            else if (step.Find(Metrics.HeldOutAccuracy) is { } share)
                _run.Add(new HeldOutAccuracy(step.Step, share));
        }
        Draw();
    }

    /// <summary>Shows the accuracy that was measured before the first step of this process.</summary>
    public void ReportStart(HeldOutAccuracy accuracy)
    {
        lock (_turn)
            _run.Add(accuracy);
        Say($"held-out accuracy {(accuracy.Step == 0 ? "" : "at ")}{accuracy.At}: {accuracy.Share:P1}");
        Draw();
    }

    /// <summary>Shows a finished training step.</summary>
    public void Report(StepMetrics report)
    {
        lock (_turn)
            _run.Add(report);
        if (_context.Live.CanDraw)
            Draw();
        else
            Say(StepLine.Format(report, _steps, _run.TimeLeft(_steps)));
    }

    /// <summary>Shows a line that stays.</summary>
    public void Say(string line)
    {
        _context.Output.WriteLine(line);
        _context.Output.Flush();
    }

    public void Dispose()
    {
        _context.Live.Leave();
        _context.Console.Write(RunSummary.Render(_run));
        _context.Console.WriteLine();
    }

    private void Draw()
    {
        if (!_context.Live.CanDraw)
            return;
        lock (_turn)
            _context.Live.Draw(StepPanel.Render(_run, _steps));
    }
}
