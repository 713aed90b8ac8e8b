using Rollout.Gpu.Models;
using static TorchSharp.torch;

namespace Rollout.Gpu.Weights.Transfer;

/// <summary>One tensor of a transfer.</summary>
/// <param name="Name">The tensor's Hugging Face name.</param>
/// <param name="Dtype">A floating point type.</param>
/// <param name="Shape">The tensor's shape in a checkpoint.</param>
internal sealed record TransferTensor(string Name, ScalarType Dtype, IReadOnlyList<long> Shape)
{
    /// <summary>Numbers in the tensor.</summary>
    public long ElementCount => Shape.Aggregate(1L, (product, size) => checked(product * size));

    public long ByteCount => checked(ElementCount * SafetensorsHeader.SizeOf(Dtype));

    public override string ToString() =>
        $"{Name} {SafetensorsHeader.NameOf(Dtype)} [{string.Join(", ", Shape)}]";
}

/// <summary>The tensors of a model in the order in which they travel.</summary>
internal sealed class TransferLayout(IReadOnlyList<TransferTensor> tensors)
{
    public IReadOnlyList<TransferTensor> Tensors { get; } = tensors;

    /// <summary>All tensors together.</summary>
    public long ByteCount { get; } = tensors.Aggregate(0L, (sum, tensor) => checked(sum + tensor.ByteCount));

    /// <summary>What a model's trainer sends: its adapter, or else all weights.</summary>
    public static TransferLayout Of(CausalLm model)
    {
        using var scope = NewDisposeScope();
        return new TransferLayout(
            [.. model.LearntTensors().Select(tensor => new TransferTensor(tensor.Name, model.Dtype, tensor.Value.shape))]);
    }

    /// <summary>True when memory of one serves the other: the same sizes and types in the same order.</summary>
    public bool FitsMemoryOf(TransferLayout other) =>
        Tensors.Select(tensor => (tensor.Dtype, tensor.ElementCount))
            .SequenceEqual(other.Tensors.Select(tensor => (tensor.Dtype, tensor.ElementCount)));

    /// <summary>
    /// Why weights of another layout can't be put into a model of this one; null when they can. Types may differ: values
    /// are converted.
    /// </summary>
    public string? WhyNot(TransferLayout offered)
    {
        for (var i = 0; i < Math.Min(Tensors.Count, offered.Tensors.Count); i++)
        {
            var (own, other) = (Tensors[i], offered.Tensors[i]);
            if (own.Name != other.Name || !own.Shape.SequenceEqual(other.Shape))
                return $"expected {own} and got {other}";
        }
        return Tensors.Count == offered.Tensors.Count
            ? null
            : $"expected {Tensors.Count} tensors and got {offered.Tensors.Count}";
    }
}
