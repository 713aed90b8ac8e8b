using Rollout.Gpu.Weights;
using Rollout.Host.Output;

namespace Rollout.Host.Tracking;

/// <summary>plots.png: a page of plots that follows the run. It is drawn at most every 20 seconds, and at the end.</summary>
/// <param name="run">The run's folder.</param>
/// <param name="earlier">The recorded steps of a resumed run.</param>
public sealed class PlotFile(RunFolder run, IReadOnlyList<StepMetrics> earlier) : IMetricSink
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(20);

    private readonly StepHistory _steps = new(earlier);
    private readonly DrawingThread _thread = new();
    private long _drawn = TimeProvider.System.GetTimestamp();

    public string Target { get; } = run.Plots;

    public void Write(StepRecord step)
    {
        _steps.Add(step.Metrics);
        if (TimeProvider.System.GetElapsedTime(_drawn) > Pause)
            Draw();
    }

    /// <summary>Draws all steps.</summary>
    public void Dispose()
    {
        using (_thread)
            Draw();
    }

    /// <summary>Replaces the picture as a whole: nobody who opens it sees half of one.</summary>
    private void Draw()
    {
        _drawn = TimeProvider.System.GetTimestamp();
        var picture = _thread.Run(() => PlotPage.Draw(_steps.Points));
        DurableFiles.Write(Target, file => file.Write(picture));
    }
}
