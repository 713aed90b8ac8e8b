using Rollout.Gpu.Contracts;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Rollout.Gpu.Models;

/// <summary>Token embedding, decoder layers and final norm, which Hugging Face checkpoints call model.</summary>
internal sealed class DecoderStack : nn.Module
{
    [ComponentName(Name = "embed_tokens")]
    private readonly Projection _embedTokens; // weight [vocab, hidden], read by rows

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

    /// <summary>[tokens, hidden] the hidden states of the pass's tokens, after the final norm.</summary>
    public T Forward<T>(IForwardPass<T> pass)
    {
        var residual = pass.Embed(_embedTokens);
        var hidden = pass.Norm(residual, _order[0].InputNorm);
        for (var i = 0; i < _order.Length; i++)
        {
            var next = i + 1 < _order.Length ? _order[i + 1].InputNorm : _norm;
            hidden = pass.Layer(_order[i], ref residual, hidden, next);
        }

        return hidden;
    }
}
