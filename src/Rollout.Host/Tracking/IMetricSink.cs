namespace Rollout.Host.Tracking;

/// <summary>
/// A place that a run's steps are recorded in: a file, a plot, or a service. A sink takes what it can show of a step.
/// One thread uses it.
/// </summary>
public interface IMetricSink : IDisposable
{
    /// <summary>What the sink writes, as a warning names it.</summary>
    string Target { get; }

    /// <summary>Records a step. Steps come in order, each once.</summary>
    /// <exception cref="IOException">The step, or a part of it, was not recorded. The next one may be.</exception>
    void Write(StepRecord step);
}
