using Rollout.Gpu.Contracts;
using Rollout.Gpu.Weights;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>Reads state that was written as named tensors back into tensors of the same shapes, in any floating type.</summary>
internal static class TensorFile
{
    /// <summary>The names of a file's tensors.</summary>
    /// <exception cref="CheckpointException">The file can't be read.</exception>
    public static IReadOnlyList<string> Names(string path)
    {
        using var file = SafetensorsFile.Open(path);
        return [.. file.Entries.Select(entry => entry.Name)];
    }

    /// <summary>Fills the tensors. Names, shapes and types are checked before anything changes.</summary>
    /// <param name="path">A safetensors file.</param>
    /// <param name="targets">Names in the file, and the tensors to fill, on any device.</param>
    /// <exception cref="CheckpointException">
    /// The file can't be read, or a tensor is missing, of another shape or type, or not finite.
    /// </exception>
    public static void Read(string path, IReadOnlyList<(string Name, Tensor Value)> targets)
    {
        using var noGradient = no_grad();
        using var file = SafetensorsFile.Open(path);
        var entries = targets.Select(target => Matching(file, target.Name, target.Value)).ToArray();
        foreach (var (entry, target) in entries.Zip(targets))
            file.CopyTo(entry, target.Value);
        if (FiniteCheck.FirstBroken(targets.Where(target => target.Value.is_floating_point())) is { } broken)
            throw new CheckpointException($"{path}: tensor {broken} holds a number that is not finite.");
    }

    private static SafetensorsEntry Matching(SafetensorsFile file, string name, Tensor expected)
    {
        var entry = file.Find(name) ?? throw new CheckpointException($"{file.Path} has no tensor {name}.");
        return entry.Shape.SequenceEqual(expected.shape) && IsReadAs(entry.Dtype, expected.dtype)
            ? entry
            : throw new CheckpointException(
                $"{file.Path}: {name} is {entry.Dtype} {SafetensorsEntry.Shown(entry.Shape)}; "
                + $"expected {expected.dtype} {SafetensorsEntry.Shown(expected.shape)}.");
    }

    private static bool IsReadAs(ScalarType saved, ScalarType wanted) =>
        saved == wanted || (IsFloating(saved) && IsFloating(wanted));

    private static bool IsFloating(ScalarType type) =>
        type is ScalarType.Float64 or ScalarType.Float32 or ScalarType.Float16 or ScalarType.BFloat16;
}
