namespace Rollout.Host.Tracking;

/// <summary>What follows metrics.jsonl: plots, event files. One that cannot be written is a warning, and the run goes on.</summary>
/// <param name="sinks">Disposed of by <see cref="Complete"/>.</param>
internal sealed class MetricFollowers(params IEnumerable<IMetricSink> sinks)
{
    private readonly Dictionary<IMetricSink, string?> _sinks = sinks.ToDictionary(sink => sink, _ => (string?)null);

    /// <param name="step">What every follower is to record.</param>
    /// <param name="warn">Told once of each reason why a follower can't be written.</param>
    public void Write(StepRecord step, Action<string> warn)
    {
        foreach (var sink in _sinks.Keys.ToArray())
            Try(sink, follower => follower.Write(step), warn);
    }

    /// <summary>Ends the followers: they write what they still have.</summary>
    /// <param name="warn">As for <see cref="Write"/>.</param>
    public void Complete(Action<string> warn)
    {
        foreach (var sink in _sinks.Keys.ToArray())
            Try(sink, follower => follower.Dispose(), warn);
        _sinks.Clear();
    }

    private void Try(IMetricSink sink, Action<IMetricSink> act, Action<string> warn)
    {
        try
        {
            act(sink);
        }
        catch (Exception cause) // an ornament: no fault of it, of its library or of the disk ends a run
        {
            var warning = $"WARNING '{sink.Target}' was not written: {cause.Message.Split('\n')[0]}";
            if (warning != _sinks[sink])
                warn(warning);
            _sinks[sink] = warning;
        }
    }
}
