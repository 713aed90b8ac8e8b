using Rollout.Host.Invocation;
using Spectre.Console;

namespace Rollout.Host.View;

/// <summary>A bar on a terminal that fills as samples finish; elsewhere, as in a log, a line from time to time.</summary>
internal sealed class SampleBar : IDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan PauseOfLines = TimeSpan.FromSeconds(30);

    private readonly CommandContext _context;
    private readonly int _samples;
    private readonly TimeProvider _time;
    private readonly long _started;
    private long _shown;
    private int _finished;

    /// <param name="context">Where the bar is drawn; lines go to standard error.</param>
    /// <param name="samples">The samples of a full bar.</param>
    /// <param name="time">Measures the time left.</param>
    public SampleBar(CommandContext context, int samples, TimeProvider time)
    {
        (_context, _samples, _time) = (context, samples, time);
        _started = _shown = time.GetTimestamp();
        if (context.Live.CanDraw)
            Draw();
    }

    /// <summary>Counts finished samples; shows at most ten bars a second, or a line every 30 seconds, and the full bar.</summary>
    public void Add(int finished)
    {
        _finished += finished;
        var since = _time.GetElapsedTime(_shown);
        if (!_context.Live.CanDraw)
        {
            if (since < PauseOfLines || _finished == _samples)
                return;
            _shown = _time.GetTimestamp();
            _context.Error.WriteLine($"samples {_finished}/{_samples}{Left()}");
        }
        else if (_finished == _samples || since >= Pause)
        {
            Draw();
        }
    }

    public void Dispose() => _context.Live.Clear();

    private void Draw()
    {
        _shown = _time.GetTimestamp();
        _context.Live.Draw(new Markup($"samples {Figures.Bar(_finished, _samples)} {_finished}/{_samples}{Left()}"));
    }

    private string Left() => _finished == 0
        ? ""
        : $", {Figures.Duration(_time.GetElapsedTime(_started) * (_samples - _finished) / _finished)} left";
}
