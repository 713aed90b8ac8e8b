using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Rollout.Gpu.Models;

/// <summary>Token embedding, decoder layers, final norm: what Hugging Face checkpoints call model.</summary>
internal sealed class DecoderStack : nn.Module
{
    [ComponentName(Name = "embed_tokens")]
    private readonly Projection _embedTokens; // weight [vocab, hidden]: read by rows

    [ComponentName(Name = "layers")]
    private readonly ModuleList<DecoderLayer> _layers;

    [ComponentName(Name = "norm")]
    private readonly RmsNorm _norm;

    private readonly DecoderLayer[] _order;

    public DecoderStack(ModelConfig config, ScalarType dtype, Device device)
        : base(nameof(DecoderStack))
    {
        _embedTokens = new Projection(config.HiddenSize, config.VocabSize, hasBias: false, dtype, device);
        _order = [.. Enumerable.Range(0, config.LayerCount)
            .Select(layer => new DecoderLayer(config, layer, dtype, device))];
        _layers = nn.ModuleList(_order);
        _norm = new RmsNorm(config.HiddenSize, config.RmsNormEps, dtype, device);
        RegisterComponents();
    }

    public Projection EmbedTokens => _embedTokens;

    public IReadOnlyList<DecoderLayer> Layers => _order;

    public RmsNorm Norm => _norm;

    /// <summary>[tokens] int64 → [tokens, hidden], after the final norm.</summary>
    public Tensor Forward(
        Tensor tokenIds, RotaryEmbedding rotary, RotaryAngles angles, IAttentionBackend attention)
    {
        using var scope = NewDisposeScope();
        // index, not index_select: its gradient is a sorted sum, the same in every run on a GPU as well.
        var hidden = _embedTokens.Weight.index(tokenIds);
        foreach (var layer in _order)
        {
            var next = layer.Forward(hidden, rotary, angles, attention);
            hidden.Dispose();
            hidden = next;
        }

        return _norm.Forward(hidden).MoveToOuterDisposeScope();
    }
}
