using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Rollout.Gpu.Models;

/// <summary>The kind of a weight, which decides how it is initialised and whether it decays.</summary>
internal enum WeightKind
{
    /// <summary>A matrix of a projection or the embedding.</summary>
    Matrix,

    /// <summary>Added by a projection.</summary>
    Bias,

    /// <summary>The scale of an RMSNorm.</summary>
    Norm,
}

/// <summary>One tensor of a Hugging Face checkpoint and its place in the model: rows of a parameter.</summary>
/// <param name="Name">Its name in the checkpoint, such as model.layers.0.self_attn.q_proj.weight.</param>
/// <param name="Shape">Its shape in the checkpoint.</param>
/// <param name="Kind">What kind of weight it is.</param>
/// <param name="Storage">The parameter that holds it, possibly among others.</param>
/// <param name="FirstRow">Its first row in the parameter.</param>
/// <param name="RowCount">Its rows in the parameter.</param>
internal sealed record CheckpointTensor(
    string Name, IReadOnlyList<long> Shape, WeightKind Kind, Parameter Storage, long FirstRow, long RowCount)
{
    /// <summary>Numbers in the tensor.</summary>
    public long ElementCount => Shape.Aggregate(1L, (product, size) => product * size);

    /// <summary>
    /// A contiguous view of the parameter's memory in this shape, outside autograd. The caller disposes of it.
    /// </summary>
    public Tensor View()
    {
        using var scope = NewDisposeScope();
        return Storage.detach().narrow(0, FirstRow, RowCount).view([.. Shape]).MoveToOuterDisposeScope();
    }
}
