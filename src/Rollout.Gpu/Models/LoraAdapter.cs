using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Models;

/// <summary>The adapter of one checkpoint projection, such as q_proj.</summary>
/// <param name="FirstRow">The projection's first row among those that it is stacked with.</param>
/// <param name="A">[rank, inputs] PEFT's lora_A.</param>
/// <param name="B">[rows, rank] PEFT's lora_B.</param>
/// <param name="Scale">s, by which the sum is multiplied: alpha / rank, or alpha / √rank for rsLoRA.</param>
internal sealed record LoraPart(long FirstRow, Tensor A, Tensor B, double Scale)
{
    public long Rank => A.size(0);
}

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
    private readonly string _name;
    private readonly LoraDropout _dropout;
    private readonly Scalar[] _scales;

    /// <param name="name">The projection's name in the model.</param>
    /// <param name="parts">Adapters of different rows, all of the model's type and device. Copied.</param>
    /// <param name="dropout">What the input loses while the adapter learns.</param>
    public LoraAdapter(string name, IReadOnlyList<LoraPart> parts, LoraDropout dropout)
    {
        (_name, _dropout) = (name, dropout);
        using var untracked = no_grad();
        Shrink = cat([.. parts.Select(part => part.A)]).DetachFromDisposeScope();
        _scales = [.. parts.Select(part => part.Scale.ToScalar())];
        var own = new LoraPart[parts.Count];
        var firstRank = 0L;
        foreach (var (index, part) in parts.Index())
        {
            own[index] = part with
            {
                A = Shrink.narrow(0, firstRank, part.Rank).DetachFromDisposeScope(),
                B = part.B.clone().DetachFromDisposeScope(),
            };
            firstRank += part.Rank;
        }

        Parts = own;
        foreach (var leaf in own.Select(part => part.B).Prepend(Shrink))
            leaf.requires_grad_(true);
    }

    /// <summary>Whether the projection adds it.</summary>
    public bool IsOn { get; set; } = true;

    /// <summary>[sum of ranks, inputs] the parts' A, one below the other.</summary>
    public Tensor Shrink { get; }

    /// <summary>The parts in the order of their ranks; each A is a view of <see cref="Shrink"/>.</summary>
    public IReadOnlyList<LoraPart> Parts { get; }

    /// <summary>Adds every part to its rows.</summary>
    /// <param name="output">[tokens, outputs] the base projection's result, changed.</param>
    /// <param name="input">[tokens, inputs] its input.</param>
    public void AddTo(Tensor output, Tensor input)
    {
        using var scope = NewDisposeScope();
        var seen = MaskOf(input) is { } mask ? input.mul(mask) : input;
        var shrunk = nn.functional.linear(seen, Shrink); // [tokens, sum of ranks]
        var firstRank = 0L;
        foreach (var (part, scale) in Parts.Zip(_scales))
        {
            var update = shrunk.narrow(1, firstRank, part.Rank).mm(part.B.t()); // [tokens, rows]
            output.narrow(1, part.FirstRow, part.B.size(0)).add_(update, scale);
            firstRank += part.Rank;
        }
    }

    /// <summary>[as the input] what it is multiplied by; null while nothing is dropped.</summary>
    public Tensor? MaskOf(Tensor input) => _dropout.MaskOf(_name, input);

    public void Dispose()
    {
        Shrink.Dispose();
        foreach (var (part, scale) in Parts.Zip(_scales))
        {
            part.A.Dispose();
            part.B.Dispose();
            scale.Dispose();
        }
    }
}
