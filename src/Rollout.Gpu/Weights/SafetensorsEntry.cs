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
    string Name, ScalarType Dtype, IReadOnlyList<long> Shape, long Offset, long ByteCount);
