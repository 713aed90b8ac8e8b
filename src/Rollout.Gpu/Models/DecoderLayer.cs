using Rollout.Gpu.Contracts;
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

    /// <summary>Computes the layer and the norm that follows it, so that sum and norm are one operation.</summary>
    /// <param name="pass">Computes the operations.</param>
    /// <param name="residual">[tokens, hidden] the residual stream, updated.</param>
    /// <param name="hidden">[tokens, hidden] the residual's norm by <see cref="InputNorm"/>.</param>
    /// <param name="next">The next layer's input norm, or the final norm.</param>
    /// <returns>[tokens, hidden] the updated residual's norm by <paramref name="next"/>.</returns>
    public T Forward<T>(IForwardPass<T> pass, ref T residual, T hidden, RmsNorm next)
    {
        var attended = pass.AddAndNorm(ref residual, _attention.Forward(pass, hidden), _postAttentionNorm);
        return pass.AddAndNorm(ref residual, _mlp.Forward(pass, attended), next);
    }
}
