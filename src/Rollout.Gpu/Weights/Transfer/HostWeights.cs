using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Weights.Transfer;

/// <summary>
/// The weights of a layout in host memory, one flat tensor each: what a trainer offers, and what a receiver fills. The
/// memory is allocated once and used for version after version.
/// </summary>
internal sealed class HostWeights : IDisposable
{
    /// <summary>Elements between two positions whose address is looked up: a span has at most 2³¹ − 1 bytes.</summary>
    private const long SegmentElements = 1 << 26;

    private readonly Tensor[] _tensors;     // [elements] each
    private readonly nint[][] _segments;    // the address of every 2²⁶th element

    public HostWeights(TransferLayout layout)
    {
        Layout = layout;
        _tensors = [.. layout.Tensors.Select(Allocate)];
        _segments = [.. _tensors.Select(Addresses)];
    }

    public TransferLayout Layout { get; }

    /// <summary>Returns a piece of one tensor, which is valid as long as this object.</summary>
    public Memory<byte> Bytes(int tensor, long offset, int count)
    {
        var segmentBytes = SegmentElements * SafetensorsHeader.SizeOf(Layout.Tensors[tensor].Dtype);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + count, Layout.Tensors[tensor].ByteCount);
        return count == 0
            ? Memory<byte>.Empty
            : new HostMemory(_segments[tensor][offset / segmentBytes] + (nint)(offset % segmentBytes), count).Memory;
    }

    /// <summary>Copies the learnt weights of a model of this layout, from whatever device they are on.</summary>
    public void CopyFrom(CausalLm model) => ForEach(model, (host, weight) => host.copy_(weight));

    /// <summary>Copies the weights into a model of this layout, converted to its type.</summary>
    /// <exception cref="ExternalException">The device failed; the model is half copied.</exception>
    public void CopyTo(CausalLm model)
    {
        ForEach(model, (host, weight) => weight.copy_(host));
        // A copy may still be on its way when its call returns, and the next computation has a stream of its own.
        if (model.Device.type == DeviceType.CUDA)
            TorchTensors.Synchronize(model.Device);
    }

    public void Dispose() => Array.ForEach(_tensors, tensor => tensor.Dispose());

    private void ForEach(CausalLm model, Action<Tensor, Tensor> copy)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        foreach (var (host, (_, weight)) in _tensors.Zip(model.LearntTensors()))
            copy(host, weight.view(-1));
    }

    private static Tensor Allocate(TransferTensor tensor)
    {
        var memory = empty([tensor.ElementCount], tensor.Dtype, CPU);
        memory.DetachFromDisposeScope();
        return memory;
    }

    private static unsafe nint[] Addresses(Tensor tensor)
    {
        var addresses = new nint[(tensor.numel() + SegmentElements - 1) / SegmentElements];
        for (var i = 0; i < addresses.Length; i++)
        {
            using var first = tensor.narrow(0, i * SegmentElements, 1);
            addresses[i] = (nint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(first.bytes));
        }
        return addresses;
    }

    /// <summary>A view of native memory that this object doesn't own.</summary>
    private sealed unsafe class HostMemory(nint start, int length) : MemoryManager<byte>
    {
        public override Span<byte> GetSpan() => new((void*)start, length);

        public override MemoryHandle Pin(int elementIndex = 0) => new((byte*)start + elementIndex);

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
