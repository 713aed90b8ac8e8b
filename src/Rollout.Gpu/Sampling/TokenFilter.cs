using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Sampling;

/// <summary>
/// Applies top-k, top-p and min-p, in this order. It counts tokens in buckets by logit first, so that it sorts only
/// those down to the edge, not the whole vocabulary.
/// </summary>
internal sealed class TokenFilter
{
    private const int Buckets = 1024;
    private const float BucketsPerNat = 16;

    private readonly int[] _counts = new int[Buckets];
    private readonly double[] _masses = new double[Buckets];
    private ulong[] _order = [];
    private int[] _kept = [];

    /// <summary>Whether finding the kept tokens needs sorting.</summary>
    public static bool NeedsOrder(SamplingParams sampling, int vocabulary) =>
        sampling.TopP < 1 || (sampling.TopK > 0 && sampling.TopK < vocabulary);

    /// <summary>
    /// Returns the tokens to draw from, most probable first, ties by lower id. Valid until the next call.
    /// </summary>
    public ReadOnlySpan<int> Keep(ReadOnlySpan<float> logits, RowDistribution row, SamplingParams sampling)
    {
        var topK = sampling.TopK > 0 ? Math.Min(sampling.TopK, logits.Length) : logits.Length;
        CountBuckets(logits, row);
        var lastBucket = LastBucket(topK, topK < logits.Length ? 1 : sampling.TopP);
        var kept = Math.Min(SortDownTo(lastBucket, logits, row), topK);

        var weights = row.Weights;
        if (sampling.TopP < 1)
        {
            var mass = 0.0;
            foreach (var token in topK < logits.Length ? _kept.AsSpan(0, kept) : [])
                mass += weights[token];
            kept = TopP(kept, sampling.TopP * (topK < logits.Length ? mass : _masses.Sum()), weights);
        }

        while (kept > 1 && weights[_kept[kept - 1]] < sampling.MinP)
            kept--;
        return _kept.AsSpan(0, kept);
    }

    private void CountBuckets(ReadOnlySpan<float> logits, RowDistribution row)
    {
        Array.Clear(_counts);
        Array.Clear(_masses);
        var weights = row.Weights;
        for (var token = 0; token < logits.Length; token++)
        {
            var bucket = Bucket(logits[token], row);
            _counts[bucket]++;
            _masses[bucket] += weights[token];
        }
    }

    // -∞ falls into the last bucket, by a comparison and not a cast.
    private static int Bucket(float logit, RowDistribution row)
    {
        var below = (row.Max - (logit / row.Temperature)) * BucketsPerNat;
        return below < Buckets - 1 ? (int)below : Buckets - 1;
    }

    // The buckets up to this one hold all kept tokens.
    private int LastBucket(int topK, float topP)
    {
        var wanted = topP < 1 ? topP * _masses.Sum() : double.PositiveInfinity;
        var (count, mass) = (0, 0.0);
        for (var bucket = 0; bucket < Buckets; bucket++)
        {
            count += _counts[bucket];
            mass += _masses[bucket];
            if (count >= topK || mass > wanted)
                return bucket;
        }

        return Buckets - 1;
    }

    private int SortDownTo(int lastBucket, ReadOnlySpan<float> logits, RowDistribution row)
    {
        if (_order.Length < logits.Length)
            (_order, _kept) = (new ulong[logits.Length], new int[logits.Length]);

        var count = 0;
        for (var token = 0; token < logits.Length; token++)
        {
            if (Bucket(logits[token], row) <= lastBucket)
                _order[count++] = ((ulong)Descending(logits[token]) << 32) | (uint)token;
        }

        _order.AsSpan(0, count).Sort();
        for (var i = 0; i < count; i++)
            _kept[i] = (int)(uint)_order[i];
        return count;
    }

    // Maps floats to unsigned integers that sort from the largest float to the smallest. -0 counts as 0.
    private static uint Descending(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value + 0f);
        return (bits & 0x80000000) != 0 ? bits : ~bits & 0x7FFFFFFF;
    }

    private int TopP(int count, double wanted, ReadOnlySpan<float> weights)
    {
        var mass = 0.0;
        for (var i = 0; i < count; i++)
        {
            mass += weights[_kept[i]];
            if (mass >= wanted)
                return i + 1;
        }

        return count;
    }
}
