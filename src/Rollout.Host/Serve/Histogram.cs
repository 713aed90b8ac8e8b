using System.Globalization;
using System.Text;

namespace Rollout.Host.Serve;

/// <summary>Counts durations by their length, as Prometheus reads them. Safe for concurrent use.</summary>
internal sealed class Histogram
{
    /// <summary>The upper bounds of the buckets in seconds.</summary>
    private static readonly double[] Bounds =
        [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

    private readonly Lock _turn = new();
    private readonly long[] _counts = new long[Bounds.Length + 1];
    private double _sum;

    public void Add(TimeSpan duration)
    {
        var seconds = duration.TotalSeconds;
        var bucket = Array.FindIndex(Bounds, bound => seconds <= bound);
        lock (_turn)
        {
            _counts[bucket < 0 ? Bounds.Length : bucket]++;
            _sum += seconds;
        }
    }

    /// <summary>Appends the lines of its buckets, sum and count.</summary>
    public void Write(StringBuilder text, string name)
    {
        lock (_turn)
        {
            var total = 0L;
            for (var i = 0; i < Bounds.Length; i++)
                text.Append(CultureInfo.InvariantCulture, $"{name}_bucket{{le=\"{Bounds[i]}\"}} {total += _counts[i]}\n");
            text.Append(CultureInfo.InvariantCulture, $"{name}_bucket{{le=\"+Inf\"}} {total += _counts[^1]}\n");
            text.Append(CultureInfo.InvariantCulture, $"{name}_sum {_sum}\n{name}_count {total}\n");
        }
    }
}
