using Rollout.Gpu.Interop;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>A parameter or a part of it with the optimizer's state, all of one shape and packed, on one device.</summary>
/// <param name="Weight">What forward passes read.</param>
/// <param name="Master">The weight in float32; of a wide weight the weight itself.</param>
/// <param name="Mean">The first moment.</param>
/// <param name="Square">The second moment.</param>
/// <param name="Gradient">The sum of gradients.</param>
/// <param name="Decays">Weight decay applies to it.</param>
internal readonly record struct AdamWPart(
    Tensor Weight, Tensor Master, Tensor Mean, Tensor Square, Tensor Gradient, bool Decays)
{
    /// <summary>One update.</summary>
    public void Update(AdamWRates rates)
    {
        using var scope = NewDisposeScope();
        var gradient = Gradient.mul_(rates.GradientScale);
        if (Decays)
            Master.mul_(rates.Shrink);
        Mean.mul_(rates.Beta1).add_(gradient, rates.OneMinusBeta1);
        Square.mul_(rates.Beta2).addcmul_(gradient, gradient, rates.OneMinusBeta2);
        var divisor = Square.sqrt().mul_(rates.RootCorrection).add_(rates.Epsilon, Scalars.One);
        Master.addcdiv_(Mean, divisor, rates.MinusStepSize);
        if (AdamW.IsNarrow(Weight))
            Weight.copy_(Master);
    }
}
