using System.Numerics;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Rollout.Gpu.Execution;

/// <summary>Host memory for the indices of a step on torch. It grows when a step is larger than any before.</summary>
internal sealed class InputBuffers(Device device) : IDisposable
{
    private readonly Tensor?[] _buffers = new Tensor?[3];

    /// <summary>
    /// [rows] int64 on the device, padded with zeros. Valid until the next step or the end of the dispose scope.
    /// </summary>
    public Tensor TokenIds(ReadOnlySpan<int> values, int rows) => OnDevice(0, values, rows);

    /// <summary>[rows] int64 on the device, padded with zeros.</summary>
    public Tensor Positions(ReadOnlySpan<int> values, int rows) => OnDevice(1, values, rows);

    /// <summary>[rows] int64 on the device, padded with zeros: the tokens whose logits are needed.</summary>
    public Tensor LastTokens(ReadOnlySpan<int> values, int rows) => OnDevice(2, values, rows);

    public void Dispose()
    {
        foreach (var buffer in _buffers)
            buffer?.Dispose();
    }

    private Tensor OnDevice(int which, ReadOnlySpan<int> values, int rows)
    {
        var buffer = _buffers[which];
        if (buffer is null || buffer.size(0) < rows)
        {
            buffer?.Dispose();
            var capacity = Math.Max(256, (long)BitOperations.RoundUpToPowerOf2((uint)rows));
            buffer = empty(capacity, ScalarType.Int64).DetachFromDisposeScope();
            _buffers[which] = buffer;
        }

        var host = MemoryMarshal.Cast<byte, long>(buffer.bytes);
        for (var i = 0; i < values.Length; i++)
            host[i] = values[i];
        host[values.Length..rows].Clear();

        var used = buffer.narrow(0, 0, rows);
        return device.type == TorchSharp.DeviceType.CPU ? used : used.to(device);
    }
}
