using Rollout.Gpu.Contracts;
using TorchSharp;

namespace Rollout.Gpu.Training;

/// <summary>AdamW's constants; the learning rate is an argument of each step.</summary>
internal sealed record AdamWOptions(double Beta1, double Beta2, double Epsilon, double WeightDecay)
{
    public static AdamWOptions From(GrpoOptions options) =>
        new(options.AdamBeta1, options.AdamBeta2, options.AdamEpsilon, options.WeightDecay);
}

/// <summary>The factors of one step.</summary>
internal readonly struct AdamWFactors(AdamWOptions options, double learningRate, double gradientScale, int step)
{
    public double GradientScale { get; } = gradientScale;

    public double Shrink { get; } = 1 - (learningRate * options.WeightDecay);

    public double Beta1 { get; } = options.Beta1;

    public double Beta2 { get; } = options.Beta2;

    /// <summary>1 / √(1 − β2^step): corrects the second moment's start at 0.</summary>
    public double RootCorrection { get; } = 1 / Math.Sqrt(1 - Math.Pow(options.Beta2, step));

    public double Epsilon { get; } = options.Epsilon;

    /// <summary>−learning rate / (1 − β1^step).</summary>
    public double MinusStepSize { get; } = -learningRate / (1 - Math.Pow(options.Beta1, step));

    /// <summary>All of them, as adamw.cu takes them.</summary>
    public double[] InOrder =>
        [GradientScale, Shrink, Beta1, 1 - Beta1, Beta2, 1 - Beta2, RootCorrection, Epsilon, MinusStepSize];
}

/// <summary>The factors of one step as native scalars, made once a step for all parameters.</summary>
internal sealed class AdamWRates(AdamWFactors factors) : IDisposable
{
    public Scalar GradientScale { get; } = factors.GradientScale.ToScalar();

    public Scalar Shrink { get; } = factors.Shrink.ToScalar();

    public Scalar Beta1 { get; } = factors.Beta1.ToScalar();

    public Scalar OneMinusBeta1 { get; } = (1 - factors.Beta1).ToScalar();

    public Scalar Beta2 { get; } = factors.Beta2.ToScalar();

    public Scalar OneMinusBeta2 { get; } = (1 - factors.Beta2).ToScalar();

    public Scalar RootCorrection { get; } = factors.RootCorrection.ToScalar();

    public Scalar Epsilon { get; } = factors.Epsilon.ToScalar();

    public Scalar MinusStepSize { get; } = factors.MinusStepSize.ToScalar();

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
