using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Models;

/// <summary>
/// The dropout of an adapter's inputs while it learns. What is dropped is a function of the seed, the optimizer step,
/// the number of the backward pass in that step and the projection, so that a mask can be drawn again, and a resumed
/// run draws the same ones. Projections that are one product share their mask.
/// </summary>
/// <param name="probability">That a number is dropped; the others are divided by the rest, as torch's dropout does.</param>
/// <param name="seed">The run's seed.</param>
internal sealed class LoraDropout(double probability, ulong seed)
{
    // A pass draws fewer numbers for one projection.
    private const int NumbersBits = 36;

    // More backward passes than a step has.
    private const long MostPasses = 1 << 12;

    private long _draw;
    private bool _isDropping;

    public double Probability => probability;

    /// <summary>The next backward pass is the first of an optimizer step.</summary>
    public void Begin(int step) => _draw = step * MostPasses;

    /// <summary>Drops until the result is disposed of: during one forward and backward pass.</summary>
    public IDisposable Pass()
    {
        _isDropping = probability > 0;
        _draw++;
        return new End(this);
    }

    /// <summary>[as the values] 0 or 1 / (1 − probability), in their type; null while nothing is dropped.</summary>
    /// <param name="projection">The projection's name, which chooses the stream of numbers.</param>
    /// <param name="values">A projection's input.</param>
    public Tensor? MaskOf(string projection, Tensor values)
    {
        if (!_isDropping)
            return null;
        using Scalar least = probability.ToScalar(), factor = (1 / (1 - probability)).ToScalar();
        var uniform = CounterRandom.Uniform(
            CounterRandom.Key(seed, $"dropout {projection}"), _draw << NumbersBits, values.numel(), values.device);
        return uniform.ge(least).to_type(values.dtype).mul_(factor).view(values.shape);
    }

    private sealed class End(LoraDropout dropout) : IDisposable
    {
        public void Dispose() => dropout._isDropping = false;
    }
}
