using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;

namespace Rollout.Gpu.Execution;

/// <summary>A value of a forward pass on a GPU: packed rows, in one of the work buffers.</summary>
/// <param name="Pointer">The first number.</param>
/// <param name="Buffer">Which buffer it takes up.</param>
internal readonly record struct DeviceRows(nint Pointer, int Buffer);

/// <summary>
/// The memory that the values of a forward pass live in, one allocation for the largest step. Every operation uses its
/// input up, so that two buffers besides the residual stream's are enough for any model, and the same steps use the same
/// addresses, which a recorded graph needs.
/// </summary>
internal sealed class WorkBuffers : IDisposable
{
    private const int Count = 3;
    private const long Alignment = 256;

    private readonly DeviceMemory _memory;
    private readonly long _bufferBytes;
    private readonly bool[] _taken = new bool[Count];

    /// <param name="config">The model's widths.</param>
    /// <param name="rows">Tokens of a step at most, padding included.</param>
    /// <param name="elementBytes">Of the model's type.</param>
    /// <exception cref="CudaException">The memory is not there.</exception>
    public WorkBuffers(ModelConfig config, int rows, int elementBytes)
    {
        int[] widths =
        [
            config.HiddenSize, (config.HeadCount + 2 * config.KvHeadCount) * config.HeadDim, 2 * config.IntermediateSize,
        ];
        var bytes = (long)rows * widths.Max() * elementBytes;
        _bufferBytes = (bytes + Alignment - 1) / Alignment * Alignment;
        _memory = new DeviceMemory(Count * _bufferBytes);
    }

    public long Bytes => _memory.Bytes;

    /// <summary>Forgets the values of the pass before.</summary>
    public void Clear() => Array.Clear(_taken);

    /// <summary>Room for a value: the first buffer that holds none.</summary>
    public DeviceRows Take()
    {
        var buffer = Array.IndexOf(_taken, false);
        if (buffer < 0)
            throw new InvalidOperationException($"A forward pass holds more than {Count} values at once.");
        _taken[buffer] = true;
        return new DeviceRows(_memory.Pointer + (nint)(buffer * _bufferBytes), buffer);
    }

    /// <summary>The value is used up.</summary>
    public void Give(DeviceRows rows) => _taken[rows.Buffer] = false;

    public void Dispose() => _memory.Dispose();
}
