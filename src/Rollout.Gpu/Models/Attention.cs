using Rollout.Gpu.Contracts;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Rollout.Gpu.Models;

/// <summary>
/// Self-attention of one layer with grouped queries: one product for q, k and v, then norm, rotation, the pass's
/// attention, and the output projection.
/// </summary>
internal sealed class Attention : nn.Module
{
    // The rows are all query heads, then all key heads, then all value heads.
    [ComponentName(Name = "qkv_proj")]
    private readonly Projection _qkvProj;

    [ComponentName(Name = "o_proj")]
    private readonly Projection _oProj;

    [ComponentName(Name = "qk_norm")]
    private readonly QkNorm? _qkNorm;

    public Attention(ModelConfig config, int layer, ScalarType dtype, Device device)
        : base(nameof(Attention))
    {
        Layer = layer;
        HeadCount = config.HeadCount;
        KvHeadCount = config.KvHeadCount;
        HeadDim = config.HeadDim;
        QueryAndKeyHeads = [config.HeadCount, config.KvHeadCount];
        var rows = (config.HeadCount + 2 * config.KvHeadCount) * config.HeadDim;
        _qkvProj = new Projection(config.HiddenSize, rows, config.HasQkvBias, dtype, device);
        _oProj = new Projection(
            config.HeadCount * config.HeadDim, config.HiddenSize, config.HasOutputBias, dtype, device);
        _qkNorm = config.HasQkNorm ? new QkNorm(config, dtype, device) : null;
        RegisterComponents();
    }

    /// <summary>The layer's number, from 0.</summary>
    public int Layer { get; }

    public int HeadCount { get; }

    public int KvHeadCount { get; }

    public int HeadDim { get; }

    /// <summary>[2] <see cref="HeadCount"/> and <see cref="KvHeadCount"/>, as torch's split takes them.</summary>
    public long[] QueryAndKeyHeads { get; }

    public Projection QkvProj => _qkvProj;

    public Projection OProj => _oProj;

    public QkNorm? QkNorm => _qkNorm;

    /// <summary>[tokens, hidden] → [tokens, hidden], without the residual.</summary>
    public T Forward<T>(IForwardPass<T> pass, T hidden) =>
        pass.Project(pass.Attend(pass.Project(hidden, _qkvProj), this), _oProj);
}
