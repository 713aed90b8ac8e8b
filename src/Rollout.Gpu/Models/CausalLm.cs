using Rollout.Gpu.Contracts;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Rollout.Gpu.Models;

/// <summary>
/// A decoder-only language model of the Llama family (Llama, Mistral, Qwen2, Qwen3). The same module serves
/// rollout and training; the attention backend is what differs.
/// </summary>
/// <remarks>
/// Projections that read the same input are one parameter each, as in vLLM: <c>self_attn.qkv_proj</c>,
/// <c>mlp.gate_up_proj</c>, and the two norms <c>self_attn.qk_norm</c>. These are the leaves that the
/// optimizer sees and changes in place. <see cref="CheckpointTensors"/> names their parts as Hugging Face
/// does, as views of the same memory, for everything that reads or writes weights.
/// </remarks>
public sealed class CausalLm : nn.Module
{
    [ComponentName(Name = "model")]
    private readonly DecoderStack _model;

    [ComponentName(Name = "lm_head")]
    private readonly Projection? _lmHead;

    private readonly RotaryEmbedding _rotary;

    /// <summary>A model with all projections zero and all norms one: to be loaded or initialised.</summary>
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

    /// <summary>The type of every parameter and of what flows between layers.</summary>
    public ScalarType Dtype { get; }

    public Device Device { get; }

    internal DecoderStack Stack => _model;

    internal Projection? Head => _lmHead;

    /// <summary>The head, or the embedding where that is tied to it.</summary>
    internal Projection LogitProjection => _lmHead ?? _model.EmbedTokens;

    internal RotaryEmbedding Rotary => _rotary;

    /// <summary>One forward pass over tokens of any number of sequences.</summary>
    /// <param name="tokenIds">[tokens] int64, on the model's device.</param>
    /// <param name="positions">[tokens] int64: each token's place in its sequence, from 0.</param>
    /// <param name="attention">Knows which tokens belong together. It gets views whose rows may be
    /// strided.</param>
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
    /// Every weight under its Hugging Face name, in the order of the layers; no lm_head where it is tied.
    /// </summary>
    internal IEnumerable<CheckpointTensor> CheckpointTensors() => Models.CheckpointTensors.Of(this);

    /// <summary>
    /// Draws weights and embeddings from N(0, std²), sets biases to 0 and norms to 1. The values depend on
    /// the seed, the tensor's name and the place in it alone, so they are the same on every device, up to
    /// rounding.
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
