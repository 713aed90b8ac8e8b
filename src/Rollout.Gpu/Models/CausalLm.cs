using Rollout.Gpu.Contracts;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Rollout.Gpu.Models;

/// <summary>
/// A decoder-only language model of the Llama family (Llama, Mistral, Qwen2, Qwen3) on one device. Rollout and
/// training use the same module with different attention backends.
/// </summary>
/// <remarks>
/// As in vLLM, projections that read the same input are one parameter: <c>self_attn.qkv_proj</c>,
/// <c>mlp.gate_up_proj</c>, and the two norms <c>self_attn.qk_norm</c>. The optimizer changes these parameters in
/// place. <see cref="CheckpointTensors"/> gives their parts under Hugging Face's names, as views of the same memory,
/// to everything that reads or writes weights.
/// </remarks>
public sealed partial class CausalLm : nn.Module
{
    [ComponentName(Name = "model")]
    private readonly DecoderStack _model;

    [ComponentName(Name = "lm_head")]
    private readonly Projection? _lmHead;

    private readonly RotaryEmbedding _rotary;

    /// <summary>Creates a model with zero projections and norms of one, to be loaded or initialised.</summary>
    public CausalLm(ModelConfig config, ScalarType dtype, Device device)
        : base(nameof(CausalLm))
    {
        Config = config;
        Dtype = dtype;
        Device = device;
        _model = new DecoderStack(config, dtype, device);
        _lmHead = config.TieWordEmbeddings
            ? null
            : new Projection(config.HiddenSize, config.VocabSize, hasBias: false, dtype, device);
        _rotary = new RotaryEmbedding(config.Rope, config.HeadDim, dtype, device);
        RegisterComponents();
    }

    public ModelConfig Config { get; }

    /// <summary>The type of every parameter and of the values between layers.</summary>
    public ScalarType Dtype { get; }

    public Device Device { get; }

    internal DecoderStack Stack => _model;

    internal Projection? Head => _lmHead;

    /// <summary>The head, or the embedding where that is tied to it.</summary>
    internal Projection LogitProjection => _lmHead ?? _model.EmbedTokens;

    /// <summary>One forward pass over tokens of any number of sequences.</summary>
    /// <param name="tokenIds">[tokens] int64, on the model's device.</param>
    /// <param name="positions">[tokens] int64: each token's place in its sequence, from 0.</param>
    /// <param name="attention">Knows which tokens belong together. It gets views whose rows may be strided.</param>
    /// <returns>[tokens, hidden], after the final norm.</returns>
    internal Tensor Hidden(Tensor tokenIds, Tensor positions, IAttentionBackend attention)
    {
        using var scope = NewDisposeScope();
        var pass = new TorchPass(tokenIds, _rotary, _rotary.AnglesOf(positions), attention);
        return _model.Forward(pass).MoveToOuterDisposeScope();
    }

    /// <summary>[n, hidden] → [n, vocab], in the model's type.</summary>
    internal Tensor Logits(Tensor hidden) => LogitProjection.Forward(hidden);

    /// <summary>
    /// Every weight under its Hugging Face name, in the order of the layers. A tied lm_head is left out.
    /// </summary>
    internal IEnumerable<CheckpointTensor> CheckpointTensors() => Models.CheckpointTensors.Of(this);

    /// <summary>
    /// Draws weights and embeddings from N(0, std²), and sets biases to 0 and norms to 1. A value depends only on the
    /// seed, its tensor's name and its place there, so that it is the same on every device, up to rounding.
    /// </summary>
    public void InitializeRandom(ulong seed, double std = 0.02) =>
        RandomInitialization.Apply(this, seed, std);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _rotary.Dispose();
        base.Dispose(disposing);
    }
}
