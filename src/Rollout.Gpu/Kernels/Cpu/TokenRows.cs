using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Rollout.Gpu.Kernels.Cpu;

/// <summary>The memory of a float32 tensor [tokens, heads, head_dim] on the CPU, whose tokens may be strided.</summary>
internal readonly unsafe struct TokenRows
{
    private readonly float* _first;
    private readonly long _stride;

    private TokenRows(float* first, long stride)
    {
        _first = first;
        _stride = stride;
    }

    /// <summary>[heads, head_dim] of a token.</summary>
    public float* this[int token] => _first + (token * _stride);

    /// <summary>
    /// The tensor's own memory, or a packed copy where a token's numbers are not contiguous. Valid as long as the
    /// tensor and the dispose scope.
    /// </summary>
    public static TokenRows Of(Tensor tensor)
    {
        if (tensor.stride(2) != 1 || tensor.stride(1) != tensor.size(2))
            tensor = tensor.contiguous();

        // TorchSharp gives the memory of contiguous tensors only. The first token's is enough.
        using var first = tensor.select(0, 0);
        return new TokenRows(
            (float*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(first.bytes)), tensor.stride(0));
    }
}
