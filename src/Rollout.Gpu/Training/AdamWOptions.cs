using Rollout.Gpu.Contracts;
using TorchSharp;

namespace Rollout.Gpu.Training;

/// <summary>AdamW's constants; the learning rate is an argument of each step.</summary>
internal sealed record AdamWOptions(double Beta1, double Beta2, double Epsilon, double WeightDecay)
{
    public static AdamWOptions From(GrpoOptions options) =>
        new(options.AdamBeta1, options.AdamBeta2, options.AdamEpsilon, options.WeightDecay);
}

/// <summary>The factors of one step as native scalars, made once a step for all parameters.</summary>
internal sealed class AdamWRates(AdamWOptions options, double learningRate, double gradientScale, int step)
    : IDisposable
{
    public Scalar GradientScale { get; } = gradientScale.ToScalar();

    public Scalar Shrink { get; } = (1 - (learningRate * options.WeightDecay)).ToScalar();

    public Scalar Beta1 { get; } = options.Beta1.ToScalar();

    public Scalar OneMinusBeta1 { get; } = (1 - options.Beta1).ToScalar();

    public Scalar Beta2 { get; } = options.Beta2.ToScalar();

    public Scalar OneMinusBeta2 { get; } = (1 - options.Beta2).ToScalar();

    /// <summary>1 / √(1 − β2^step): corrects the second moment's start at 0.</summary>
    public Scalar RootCorrection { get; } = (1 / Math.Sqrt(1 - Math.Pow(options.Beta2, step))).ToScalar();

    public Scalar Epsilon { get; } = options.Epsilon.ToScalar();

    /// <summary>−learning rate / (1 − β1^step).</summary>
    public Scalar MinusStepSize { get; } = (-learningRate / (1 - Math.Pow(options.Beta1, step))).ToScalar();

    public void Dispose()
    {
        GradientScale.Dispose();
        Shrink.Dispose();
        Beta1.Dispose();
        OneMinusBeta1.Dispose();
        Beta2.Dispose();
        OneMinusBeta2.Dispose();
        RootCorrection.Dispose();
        Epsilon.Dispose();
        MinusStepSize.Dispose();
    }
}
