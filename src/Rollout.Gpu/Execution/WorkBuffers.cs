using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;

namespace Rollout.Gpu.Execution;

/// <summary>A value of a forward pass on a GPU: packed rows in one of the work buffers.</summary>
/// <param name="Pointer">The address of the first number.</param>
/// <param name="Buffer">The buffer that holds the value.</param>
internal readonly record struct DeviceRows(nint Pointer, int Buffer);

/// <summary>
/// The memory of a forward pass's values, one allocation for the largest step. Operations consume their inputs, so
/// that the residual stream's buffer and two others suffice for any model. Equal steps use equal addresses, as
/// recorded graphs need.
/// </summary>
internal sealed class WorkBuffers : IDisposable
{
    private const int Count = 3;
    private const long Alignment = 256;

    private readonly DeviceMemory _memory;
    private readonly long _bufferBytes;
    private readonly bool[] _taken = new bool[Count];

    /// <param name="config">The model's shape.</param>
    /// <param name="rows">The most tokens of a step, padding included.</param>
    /// <param name="elementBytes">Bytes of a number of the model's type.</param>
    /// <exception cref="CudaException">The device has too little memory.</exception>
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

    /// <summary>Frees all buffers.</summary>
    public void Clear() => Array.Clear(_taken);

    /// <summary>Reserves the first free buffer for a value.</summary>
    public DeviceRows Reserve()
    {
        var buffer = Array.IndexOf(_taken, false);
        if (buffer < 0)
            throw new InvalidOperationException($"A forward pass holds more than {Count} values at once.");
        _taken[buffer] = true;
        return new DeviceRows(_memory.Pointer + (nint)(buffer * _bufferBytes), buffer);
    }

    /// <summary>Frees a value's buffer.</summary>
    public void Release(DeviceRows rows) => _taken[rows.Buffer] = false;

    public void Dispose() => _memory.Dispose();
}
