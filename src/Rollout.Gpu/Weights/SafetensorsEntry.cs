using static TorchSharp.torch;

namespace Rollout.Gpu.Weights;

/// <summary>
/// One tensor of a safetensors file as its header states it, checked against the file's length.
/// </summary>
/// <param name="Name">The tensor's name.</param>
/// <param name="Dtype">The type of its numbers, little-endian.</param>
/// <param name="Shape">Row-major sizes; none for a scalar.</param>
/// <param name="Offset">Bytes from the start of the file.</param>
/// <param name="ByteCount">Bytes it takes.</param>
internal sealed record SafetensorsEntry(
    string Name, ScalarType Dtype, IReadOnlyList<long> Shape, long Offset, long ByteCount)
{
    private const int ShownSizes = 8;
    private const int ShownCharacters = 100;

    /// <summary>A shape for an error, such as [4, 16]; cut where a damaged header states thousands of sizes.</summary>
    public static string Shown(IReadOnlyList<long> shape)
    {
        var more = shape.Count > ShownSizes ? $", … {shape.Count} sizes" : "";
        return $"[{string.Join(", ", shape.Take(ShownSizes))}{more}]";
    }

    /// <summary>A name for an error; cut where a damaged header states one of megabytes.</summary>
    public static string Shown(string name) =>
        name.Length <= ShownCharacters ? name : string.Concat(name.AsSpan(0, ShownCharacters), "…");
}
