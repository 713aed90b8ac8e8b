using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Rollout.Gpu.Models;

/// <summary>One pre-norm transformer layer: attention and gated MLP, each added to its input.</summary>
internal sealed class DecoderLayer : nn.Module
{
    [ComponentName(Name = "input_layernorm")]
    private readonly RmsNorm _inputNorm;

    [ComponentName(Name = "self_attn")]
    private readonly Attention _attention;

    [ComponentName(Name = "post_attention_layernorm")]
    private readonly RmsNorm _postAttentionNorm;

    [ComponentName(Name = "mlp")]
    private readonly GatedMlp _mlp;

    public DecoderLayer(ModelConfig config, int layer, ScalarType dtype, Device device)
        : base(nameof(DecoderLayer))
    {
        _inputNorm = new RmsNorm(config.HiddenSize, config.RmsNormEps, dtype, device);
        _attention = new Attention(config, layer, dtype, device);
        _postAttentionNorm = new RmsNorm(config.HiddenSize, config.RmsNormEps, dtype, device);
        _mlp = new GatedMlp(config, dtype, device);
        RegisterComponents();
    }

    public RmsNorm InputNorm => _inputNorm;

    public Attention Attention => _attention;

    public RmsNorm PostAttentionNorm => _postAttentionNorm;

    public GatedMlp Mlp => _mlp;

    /// <summary>[tokens, hidden] → [tokens, hidden].</summary>
    public Tensor Forward(
        Tensor hidden, RotaryEmbedding rotary, RotaryAngles angles, IAttentionBackend attention)
    {
        using var scope = NewDisposeScope();
        // The sums are taken in place of a projection's result, which no gradient needs.
        var attended = _attention.Forward(_inputNorm.Forward(hidden), rotary, angles, attention).add_(hidden);
        return _mlp.Forward(_postAttentionNorm.Forward(attended)).add_(attended).MoveToOuterDisposeScope();
    }
}
