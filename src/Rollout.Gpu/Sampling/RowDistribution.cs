using System.Numerics;
using System.Numerics.Tensors;

namespace Rollout.Gpu.Sampling;

/// <summary>
/// The softmax of one row of logits at one temperature, shared by all draws from it. Its memory grows to the
/// largest vocabulary seen and is then reused.
/// </summary>
internal sealed class RowDistribution
{
    // Small enough to stay in the first-level cache between the passes over it.
    private const int Chunk = 2048;

    private float[] _weights = [];
    private int _vocabulary;

    /// <summary>[vocab] exp(logit / temperature − the largest): 1 for the most probable token.</summary>
    public ReadOnlySpan<float> Weights => _weights.AsSpan(0, _vocabulary);

    /// <summary>Divides the logits.</summary>
    public float Temperature { get; private set; }

    /// <summary>The most probable token, the lowest id on ties.</summary>
    public int ArgMax { get; private set; }

    /// <summary>The largest logit / temperature.</summary>
    public float Max { get; private set; }

    /// <summary>The sum of <see cref="Weights"/>.</summary>
    public double Sum { get; private set; }

    /// <summary>Loads a row. Returns false if it holds NaN or +∞, or nothing finite.</summary>
    public bool TryLoad(ReadOnlySpan<float> logits, float temperature)
    {
        _vocabulary = logits.Length;
        if (_weights.Length < _vocabulary)
            _weights = new float[_vocabulary];

        Temperature = temperature;
        ArgMax = TensorPrimitives.IndexOfMax(logits); // NaN wins where there is one
        Max = logits[ArgMax] / temperature;
        if (!float.IsFinite(Max))
            return false;

        var sum = 0.0;
        for (var start = 0; start < _vocabulary; start += Chunk)
        {
            var part = _weights.AsSpan(start, Math.Min(Chunk, _vocabulary - start));
            TensorPrimitives.Divide(logits.Slice(start, part.Length), temperature, part);
            TensorPrimitives.Subtract(part, Max, part);
            TensorPrimitives.Exp(part, part);
            sum += SumInOrder(part); // float within a chunk, double over chunks
        }

        Sum = sum;
        return true;
    }

    /// <summary>The natural log-probability of a token.</summary>
    /// <param name="logit">The token's logit, before the division.</param>
    public float LogProbability(float logit) => (float)LogProbability(logit, Sum);

    /// <summary>The natural log-probability of a token among some tokens: exactly 0 where it is the only one.</summary>
    /// <param name="token">One of them.</param>
    /// <param name="logit">Its logit, before the division.</param>
    /// <param name="sum">The sum of their <see cref="Weights"/>.</param>
    public float LogProbabilityAmong(int token, float logit, double sum) =>
        sum > _weights[token] ? (float)Math.Min(0, LogProbability(logit, sum)) : 0;

    /// <summary>The sum of the <see cref="Weights"/> that are at least <paramref name="least"/>.</summary>
    public double SumFrom(float least)
    {
        var sum = 0.0;
        foreach (var weight in Weights)
            sum += weight >= least ? weight : 0;
        return sum;
    }

    /// <summary>The sum of the <see cref="Weights"/> of these tokens.</summary>
    public double SumOf(ReadOnlySpan<int> tokens)
    {
        var sum = 0.0;
        foreach (var token in tokens)
            sum += _weights[token];
        return sum;
    }

    private double LogProbability(float logit, double sum) => (double)(logit / Temperature) - Max - Math.Log(sum);

    // TensorPrimitives.Sum orders additions by the memory's alignment, but equal rows must give equal bits.
    private static float SumInOrder(ReadOnlySpan<float> values)
    {
        var total = Vector<float>.Zero;
        var i = 0;
        for (; i <= values.Length - Vector<float>.Count; i += Vector<float>.Count)
            total += Vector.Create(values[i..]);
        var sum = Vector.Sum(total);
        for (; i < values.Length; i++)
            sum += values[i];
        return sum;
    }
}
