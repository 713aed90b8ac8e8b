using static TorchSharp.torch;

namespace Rollout.Gpu.Training.Losses;

/// <summary>
/// Tokens whose loss is computed together, flat, without padding. All tensors but <see cref="Sequences"/> have one
/// floating type.
/// </summary>
/// <param name="Logprobs">[tokens] log π; the only tensor that gradients flow to.</param>
/// <param name="OldLogprobs">
/// [tokens] log π_old. The detached <paramref name="Logprobs"/> give ρ = 1 with its gradient.
/// </param>
/// <param name="Advantages">[tokens] the advantage of each token's completion.</param>
/// <param name="Weights">[tokens] the factor of each token's loss; 0 masks it, whatever else it holds.</param>
/// <param name="Sequences">[tokens] int64: which completion each token is of, from 0.</param>
/// <param name="SequenceCount">Completions. Each is whole where <c>NeedsWholeCompletions</c>.</param>
internal sealed record TokenLossInput(
    Tensor Logprobs, Tensor OldLogprobs, Tensor Advantages, Tensor Weights, Tensor Sequences, int SequenceCount)
{
    /// <summary>[tokens] log π_ref; needed where a KL term is in the loss, else only for the statistics.</summary>
    public Tensor? ReferenceLogprobs { get; init; }

    /// <summary>
    /// [tokens] what the importance weight subtracts from log π_old: log p before top-k, top-p and min-p, or log μ after
    /// them (see <see cref="Contracts.ImportanceSupport"/>); needed where there is an importance correction.
    /// </summary>
    public Tensor? SamplerLogprobs { get; init; }
}
