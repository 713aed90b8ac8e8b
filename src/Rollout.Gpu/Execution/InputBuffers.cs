using System.Numerics;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Rollout.Gpu.Execution;

/// <summary>
/// Host memory for one step's indices, allocated once and grown when a step is larger than any before.
/// </summary>
internal sealed class InputBuffers(Device device) : IDisposable
{
    private readonly Tensor?[] _buffers = new Tensor?[3];

    /// <summary>
    /// [tokens] int64 on the device; valid until the next step or the end of the dispose scope.
    /// </summary>
    public Tensor TokenIds(ReadOnlySpan<int> values) => OnDevice(0, values);

    /// <summary>[tokens] int64, likewise.</summary>
    public Tensor Positions(ReadOnlySpan<int> values) => OnDevice(1, values);

    /// <summary>[sampled rows] int64: the tokens whose logits are wanted.</summary>
    public Tensor LastTokens(ReadOnlySpan<int> values) => OnDevice(2, values);

    public void Dispose()
    {
        foreach (var buffer in _buffers)
            buffer?.Dispose();
    }

    private Tensor OnDevice(int which, ReadOnlySpan<int> values)
    {
        var buffer = _buffers[which];
        if (buffer is null || buffer.size(0) < values.Length)
        {
            buffer?.Dispose();
            var capacity = Math.Max(256, (long)BitOperations.RoundUpToPowerOf2((uint)values.Length));
            buffer = empty(capacity, ScalarType.Int64).DetachFromDisposeScope();
            _buffers[which] = buffer;
        }

        var host = MemoryMarshal.Cast<byte, long>(buffer.bytes);
        for (var i = 0; i < values.Length; i++)
            host[i] = values[i];

        var used = buffer.narrow(0, 0, values.Length);
        return device.type == TorchSharp.DeviceType.CPU ? used : used.to(device);
    }
}
