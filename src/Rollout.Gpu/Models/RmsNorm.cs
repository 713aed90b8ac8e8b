using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Rollout.Gpu.Models;

/// <summary>
/// y = w · x / √(mean(x²) + ε) over the last dimension (Zhang and Sennrich 2019, arXiv 1910.07467). The mean and the
/// root are taken in single precision and the quotient is rounded to x's type before the weight, as transformers does.
/// </summary>
internal sealed class RmsNorm : nn.Module
{
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    private readonly ScalarType _dtype;
    private readonly Scalar _epsilon;

    public RmsNorm(int size, double epsilon, ScalarType dtype, Device device)
        : base(nameof(RmsNorm))
    {
        _weight = ModelParameter.Ones([size], dtype, device);
        _dtype = dtype;
        _epsilon = epsilon;
        RegisterComponents();
    }

    /// <summary>[size].</summary>
    public Parameter Weight => _weight;

    /// <summary>[tokens, size] → [tokens, size].</summary>
    public Tensor Forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return Normalize(input, _epsilon, _dtype).mul(_weight).MoveToOuterDisposeScope();
    }

    /// <summary>[…, size] of type <paramref name="dtype"/> → the same shape and type, each last dimension of root mean square 1.</summary>
    internal static Tensor Normalize(Tensor input, Scalar epsilon, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var single = dtype == ScalarType.Float32 ? input : input.to(ScalarType.Float32);
        var scale = single.square().mean(LastDimension, keepdim: true).add_(epsilon).rsqrt_(); // […, 1]
        var scaled = single.mul(scale);
        return (dtype == ScalarType.Float32 ? scaled : scaled.to(dtype)).MoveToOuterDisposeScope();
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _epsilon.Dispose();
        base.Dispose(disposing);
    }

    private static readonly long[] LastDimension = [-1];
}
