using Rollout.Host.Invocation;
using Spectre.Console;

namespace Rollout.Host.View;

/// <summary>A bar on a terminal that fills as samples finish; nothing elsewhere.</summary>
internal sealed class SampleBar : IDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private readonly LiveArea _live;
    private readonly int _samples;
    private readonly long _started = TimeProvider.System.GetTimestamp();
    private long _drawn;
    private int _finished;

    /// <param name="live">Where the bar is drawn.</param>
    /// <param name="samples">The samples of a full bar.</param>
    public SampleBar(LiveArea live, int samples)
    {
        _live = live;
        _samples = samples;
        Draw();
    }

    /// <summary>Counts finished samples; draws at most ten times a second, and the full bar.</summary>
    public void Add(int finished)
    {
        _finished += finished;
        if (_finished == _samples || TimeProvider.System.GetElapsedTime(_drawn) >= Pause)
            Draw();
    }

    public void Dispose() => _live.Clear();

    private void Draw()
    {
        _drawn = TimeProvider.System.GetTimestamp();
        if (!_live.CanDraw)
            return;
        var elapsed = TimeProvider.System.GetElapsedTime(_started);
        var left = _finished == 0 ? "" : $", {Figures.Duration(elapsed * (_samples - _finished) / _finished)} left";
        _live.Draw(new Markup($"samples {Figures.Bar(_finished, _samples)} {_finished}/{_samples}{left}"));
    }
}
