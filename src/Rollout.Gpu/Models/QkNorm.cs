using Rollout.Gpu.Contracts;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Rollout.Gpu.Models;

/// <summary>
/// RMSNorm of each query head and each key head (Qwen3), computed together. The weights of q_norm and k_norm are the
/// two rows of one parameter.
/// </summary>
internal sealed class QkNorm : nn.Module
{
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight; // [2, head_dim]: q_norm, k_norm

    private readonly Tensor _rowOfHead; // [heads + kv_heads] int64: 0 for a query head, 1 for a key head
    private readonly RootMeanSquare _rootMeanSquare;

    public QkNorm(ModelConfig config, ScalarType dtype, Device device)
        : base(nameof(QkNorm))
    {
        _weight = ModelParameter.Ones([2, config.HeadDim], dtype, device);
        RegisterComponents();
        long[] rows =
            [.. Enumerable.Repeat(0L, config.HeadCount), .. Enumerable.Repeat(1L, config.KvHeadCount)];
        _rowOfHead = tensor(rows, ScalarType.Int64, device).DetachFromDisposeScope();
        _rootMeanSquare = new RootMeanSquare(config.HeadDim, config.RmsNormEps, dtype, device);
    }

    /// <summary>[2, head_dim].</summary>
    public Parameter Weight => _weight;

    /// <summary>[tokens, heads + kv_heads, head_dim] → the same shape.</summary>
    public Tensor Forward(Tensor heads)
    {
        using var scope = NewDisposeScope();
        // index's gradient is a sorted sum, equal in every run on a GPU too. index_select's is not.
        var weights = _weight.index(_rowOfHead); // [heads + kv_heads, head_dim]
        return _rootMeanSquare.Normalize(heads).mul(weights).MoveToOuterDisposeScope();
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _rowOfHead.Dispose();
            _rootMeanSquare.Dispose();
        }

        base.Dispose(disposing);
    }
}
