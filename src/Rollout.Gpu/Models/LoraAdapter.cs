using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Models;

/// <summary>The adapter of one checkpoint projection, such as q_proj.</summary>
/// <param name="FirstRow">The projection's first row among those that it is stacked with.</param>
/// <param name="A">[rank, inputs] PEFT's lora_A.</param>
/// <param name="B">[rows, rank] PEFT's lora_B.</param>
/// <param name="Scale">s, by which the sum is multiplied: alpha / rank, or alpha / √rank for rsLoRA.</param>
internal sealed record LoraPart(long FirstRow, Tensor A, Tensor B, double Scale);

/// <summary>
/// Low-rank adapters of a <see cref="Projection"/>: each adds s · (x Aᵀ) Bᵀ to its own rows of the output (Hu et al.
/// 2021, arXiv 2106.09685).
/// </summary>
/// <remarks>
/// A projection may stack several of a checkpoint's, and any of them can have an adapter. They read the same input, so
/// their A are stacked too: one product shrinks x to all ranks, then each B expands its own ranks into its own rows.
/// The base weight is never changed.
/// </remarks>
internal sealed class LoraAdapter : IDisposable
{
    private readonly Tensor _shrink; // [sum of ranks, inputs]
    private readonly Expansion[] _expansions;

    /// <param name="parts">Adapters of different rows, all of the model's type and device. Copied.</param>
    public LoraAdapter(IReadOnlyList<LoraPart> parts)
    {
        _shrink = cat([.. parts.Select(part => part.A)]).DetachFromDisposeScope();
        _expansions = new Expansion[parts.Count];
        var firstRank = 0L;
        foreach (var (index, part) in parts.Index())
        {
            using var transposed = part.B.t();
            _expansions[index] = new Expansion(
                firstRank, part.FirstRow, transposed.clone().DetachFromDisposeScope(), part.Scale.ToScalar());
            firstRank += part.A.size(0);
        }
    }

    /// <summary>Adds every part to its rows.</summary>
    /// <param name="output">[tokens, outputs] the base projection's result, changed.</param>
    /// <param name="input">[tokens, inputs] its input.</param>
    public void AddTo(Tensor output, Tensor input)
    {
        using var scope = NewDisposeScope();
        var shrunk = nn.functional.linear(input, _shrink); // [tokens, sum of ranks]
        foreach (var (firstRank, firstRow, matrix, scale) in _expansions)
        {
            var update = shrunk.narrow(1, firstRank, matrix.size(0)).mm(matrix); // [tokens, rows]
            output.narrow(1, firstRow, matrix.size(1)).add_(update, scale);
        }
    }

    public void Dispose()
    {
        _shrink.Dispose();
        foreach (var expansion in _expansions)
        {
            expansion.Matrix.Dispose();
            expansion.Scale.Dispose();
        }
    }

    /// <param name="FirstRank">Its first column in the shrunk input.</param>
    /// <param name="FirstRow">Its first column in the output.</param>
    /// <param name="Matrix">[rank, rows] Bᵀ.</param>
    /// <param name="Scale">The factor of the sum.</param>
    private readonly record struct Expansion(long FirstRank, long FirstRow, Tensor Matrix, Scalar Scale);
}
