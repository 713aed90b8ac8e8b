using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Rollout.Gpu.Contracts;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Cache;

/// <summary>
/// Allocates and copies the memory of both libtorch caches: [layers, 2, blocks, block_size, kv_heads, head_dim].
/// </summary>
internal static class KvStorage
{
    public static Tensor Allocate(
        KvCacheShape shape, KvCacheGeometry geometry, ScalarType dtype, Device device, bool zero)
    {
        var tokens = (long)geometry.BlockCount * geometry.BlockSize;
        var bytes = shape.BytesPerToken((int)dtype.ElementSize()) * tokens;
        if (tokens is < 1 or > int.MaxValue)
            throw new ArgumentException($"A KV cache of {tokens} tokens; expected 1 to {int.MaxValue}.");

        long[] sizes =
            [shape.LayerCount, 2, geometry.BlockCount, geometry.BlockSize, shape.KvHeadCount, shape.HeadDim];
        try
        {
            var storage = zero ? zeros(sizes, dtype, device) : empty(sizes, dtype, device);
            return storage.DetachFromDisposeScope();
        }
        catch (ExternalException cause)
        {
            throw new DeviceFaultException(
                $"The KV cache of {geometry.BlockCount} blocks of {geometry.BlockSize} tokens "
                + $"({bytes} bytes) can't be allocated.",
                cause);
        }
    }

    /// <summary>The address of a float32 tensor in host memory, of any size.</summary>
    public static unsafe float* FirstNumber(Tensor storage)
    {
        // TorchSharp gives spans, which end at 2 GiB. That of the first number is enough.
        using var first = storage.flatten().narrow(0, 0, 1);
        return (float*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(first.bytes));
    }

    /// <summary>Copies blocks. All sources are read before any destination is written.</summary>
    public static void CopyBlocks(Tensor storage, IReadOnlyList<BlockCopy> copies)
    {
        if (copies.Count == 0)
            return;
        using var scope = NewDisposeScope();
        using var untracked = no_grad();
        var from = copies.Select(copy => (long)copy.Source.Value).ToArray();
        var to = copies.Select(copy => (long)copy.Destination.Value).ToArray();
        var gathered = storage.index_select(2, tensor(from, device: storage.device));
        storage.index_copy_(2, tensor(to, device: storage.device), gathered);
    }
}
