namespace Rollout.Host.Tracking;

/// <summary>Statistics of a step's samples; null where there are none.</summary>
internal static class Statistics
{
    public static double? Mean(this IEnumerable<double?> values) => values.Average();

    public static double? Mean(this IEnumerable<double> values) => values.Select(value => (double?)value).Average();

    /// <summary>With the divisor n − 1, as torch.std; 0 for a single value.</summary>
    public static double? StandardDeviation(this IReadOnlyList<double> values)
    {
        if (values.Count == 0)
            return null;
        var mean = values.Average();
        return Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / Math.Max(1, values.Count - 1));
    }

    /// <summary>Interpolated between the two nearest values, as torch.quantile.</summary>
    /// <param name="values">In any order.</param>
    /// <param name="share">0, the smallest value, … 1, the largest.</param>
    public static double? Quantile(this IEnumerable<double> values, double share)
    {
        double[] sorted = [.. values.Order()];
        if (sorted.Length == 0)
            return null;
        var place = share * (sorted.Length - 1);
        var below = (int)place;
        var above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + ((place - below) * (sorted[above] - sorted[below]));
    }
}
