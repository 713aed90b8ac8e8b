using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Rollout.Gpu.Models;

/// <summary>
/// Self-attention of one layer with grouped queries: one product for q, k and v, then norm, rotation, the
/// backend's attention, and the output projection.
/// </summary>
internal sealed class Attention : nn.Module
{
    // Rows in this order: every query head, every key head, every value head.
    [ComponentName(Name = "qkv_proj")]
    private readonly Projection _qkvProj;

    [ComponentName(Name = "o_proj")]
    private readonly Projection _oProj;

    [ComponentName(Name = "qk_norm")]
    private readonly QkNorm? _qkNorm;

    private readonly int _layer;
    private readonly long _headDim;
    private readonly long _keyHeads;
    private readonly long[] _queryAndKeyHeads;

    public Attention(ModelConfig config, int layer, ScalarType dtype, Device device)
        : base(nameof(Attention))
    {
        _layer = layer;
        _headDim = config.HeadDim;
        _keyHeads = config.KvHeadCount;
        _queryAndKeyHeads = [config.HeadCount, config.KvHeadCount];
        var rows = (config.HeadCount + 2 * config.KvHeadCount) * config.HeadDim;
        _qkvProj = new Projection(config.HiddenSize, rows, config.HasQkvBias, dtype, device);
        _oProj = new Projection(
            config.HeadCount * config.HeadDim, config.HiddenSize, config.HasOutputBias, dtype, device);
        _qkNorm = config.HasQkNorm ? new QkNorm(config, dtype, device) : null;
        RegisterComponents();
    }

    public Projection QkvProj => _qkvProj;

    public Projection OProj => _oProj;

    public QkNorm? QkNorm => _qkNorm;

    /// <summary>[tokens, hidden] → [tokens, hidden], without the residual.</summary>
    public Tensor Forward(
        Tensor hidden, RotaryEmbedding rotary, RotaryAngles angles, IAttentionBackend attention)
    {
        using var scope = NewDisposeScope();
        var tokens = hidden.size(0);
        var rotating = _queryAndKeyHeads[0] + _keyHeads;
        var heads = _qkvProj.Forward(hidden).view(tokens, rotating + _keyHeads, _headDim);
        var value = heads.narrow(1, rotating, _keyHeads);         // [tokens, kv_heads, head_dim]
        var queryAndKey = heads.narrow(1, 0, rotating);           // [tokens, heads + kv_heads, head_dim]
        if (_qkNorm is not null)
            queryAndKey = _qkNorm.Forward(queryAndKey);

        var rotated = rotary.Rotate(queryAndKey, angles).split(_queryAndKeyHeads, 1);
        var attended = attention.Attend(_layer, rotated[0], rotated[1], value); // [tokens, heads, head_dim]
        return _oProj.Forward(attended.reshape(tokens, -1)).MoveToOuterDisposeScope();
    }
}
