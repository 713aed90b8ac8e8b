using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Rollout.Gpu.Models;

/// <summary>
/// y = w · x / √(mean(x²) + ε) over the last dimension (Zhang and Sennrich 2019, arXiv 1910.07467). Mean and root are
/// computed in single precision, and the quotient is rounded to x's type before the weight, as in transformers.
/// </summary>
internal sealed class RmsNorm : nn.Module
{
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    private readonly RootMeanSquare _rootMeanSquare;

    public RmsNorm(int size, double epsilon, ScalarType dtype, Device device)
        : base(nameof(RmsNorm))
    {
        _weight = ModelParameter.Ones([size], dtype, device);
        _rootMeanSquare = new RootMeanSquare(size, epsilon, dtype, device);
        RegisterComponents();
    }

    /// <summary>[size] the scale.</summary>
    public Parameter Weight => _weight;

    /// <summary>[tokens, size] → [tokens, size].</summary>
    public Tensor Forward(Tensor input)
    {
        using var normalized = _rootMeanSquare.Normalize(input);
        return normalized.mul(_weight);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _rootMeanSquare.Dispose();
        base.Dispose(disposing);
    }
}
