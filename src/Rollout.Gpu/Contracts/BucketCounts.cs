namespace Rollout.Gpu.Contracts;

/// <summary>A distribution whose values were counted into buckets where they were computed. Equal counts are equal.</summary>
/// <param name="Least">The smallest value.</param>
/// <param name="Most">The largest value.</param>
/// <param name="Sum">Σ of the values.</param>
/// <param name="Limits">[buckets] the upper limit of each, ascending; the last is <paramref name="Most"/>.</param>
/// <param name="Counts">[buckets] how many values each holds; neither the first nor the last is empty.</param>
public sealed record BucketCounts(double Least, double Most, double Sum, double[] Limits, double[] Counts)
{
    public bool Equals(BucketCounts? other) =>
        other is not null && (Least, Most, Sum) == (other.Least, other.Most, other.Sum)
        && Limits.SequenceEqual(other.Limits) && Counts.SequenceEqual(other.Counts);

    public override int GetHashCode() => (Least, Most, Sum, Counts.Length).GetHashCode();
}
