using Rollout.Gpu.Interop;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training.Losses;

/// <summary>Sums over the tokens of each completion, given back to each of its tokens.</summary>
/// <param name="sequences">[tokens] int64: which completion each token is of.</param>
/// <param name="count">Completions.</param>
internal readonly struct SequenceTotals(Tensor sequences, int count)
{
    /// <summary>[tokens] → [tokens]: Σ over the completion of each token. Gradients flow through.</summary>
    public Tensor Of(Tensor values) =>
        zeros(count, values.dtype, values.device)
            .index_add(0, sequences, values, Scalars.One) // [completions]
            .index_select(0, sequences);
}
