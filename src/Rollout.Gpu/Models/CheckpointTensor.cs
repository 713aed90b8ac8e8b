using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Rollout.Gpu.Models;

/// <summary>What a weight is for, which decides how it is initialised.</summary>
internal enum WeightKind
{
    /// <summary>A matrix of a projection or the embedding.</summary>
    Matrix,

    /// <summary>Added by a projection.</summary>
    Bias,

    /// <summary>The scale of an RMSNorm.</summary>
    Norm,
}

/// <summary>
/// One tensor of a Hugging Face checkpoint and where it lives in the model: rows of a parameter.
/// </summary>
/// <param name="Name">Its name in the checkpoint, such as model.layers.0.self_attn.q_proj.weight.</param>
/// <param name="Shape">Its shape in the checkpoint.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Storage">The parameter that holds it, maybe among others.</param>
/// <param name="FirstRow">Where it begins along the first dimension of the parameter.</param>
/// <param name="RowCount">How many entries of that dimension it takes.</param>
internal sealed record CheckpointTensor(
    string Name, IReadOnlyList<long> Shape, WeightKind Kind, Parameter Storage, long FirstRow, long RowCount)
{
    /// <summary>Numbers in the tensor.</summary>
    public long ElementCount => Shape.Aggregate(1L, (product, size) => product * size);

    /// <summary>
    /// A contiguous view of <see cref="Shape"/> onto the parameter's memory, outside autograd. The caller
    /// disposes it.
    /// </summary>
    public Tensor View()
    {
        using var scope = NewDisposeScope();
        return Storage.detach().narrow(0, FirstRow, RowCount).view([.. Shape]).MoveToOuterDisposeScope();
    }
}
