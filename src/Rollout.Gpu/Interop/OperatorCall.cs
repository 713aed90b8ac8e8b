using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Rollout.Gpu.Interop;

/// <summary>
/// A call of one of libtorch's operators by name, for those that TorchSharp does not offer. Arguments are added in the
/// order of the operator's schema; optional ones at its end that are not added are none.
/// </summary>
/// <param name="name">The operator, such as aten::_flash_attention_forward.</param>
internal sealed unsafe partial class OperatorCall(string name)
{
    private const string Library = "libtorch_cpu.so";
    private const int Capacity = 32;

    // libtorch's stable values: a number's bits, or an owned handle; an optional one is a pointer to it, or 0.
    private readonly ulong[] _stack = new ulong[Capacity];
    private int _count;
    private Func<Tensor[]> _allocate = () => [];

    public OperatorCall Add(Tensor tensor) => Push(Handle(tensor));

    public OperatorCall AddOptional(Tensor tensor) => Push(Boxed(Handle(tensor)));

    public OperatorCall Add(long value) => Push((ulong)value);

    public OperatorCall Add(double value) => Push(BitConverter.DoubleToUInt64Bits(value));

    public OperatorCall Add(bool value) => Push(value ? 1UL : 0);

    /// <summary>
    /// Says what the operator allocates, its results included. libtorch prints why an operator failed and does not return it:
    /// where the same memory can't be had after a failure, that is the reason, and the exception is that of the allocator.
    /// </summary>
    public OperatorCall Allocating(Func<Tensor[]> allocate)
    {
        _allocate = allocate;
        return this;
    }

    /// <summary>Runs the operator, all results of which are tensors, which the current dispose scope owns.</summary>
    /// <param name="results">How many results the operator has.</param>
    /// <exception cref="LibTorchException">There is no such operator, or it fails.</exception>
    /// <exception cref="ExternalException">It fails for want of memory.</exception>
    public Tensor[] Run(int results)
    {
        fixed (ulong* stack = _stack)
        {
            if (Call(name, "", stack) != 0)
            {
                using (NewDisposeScope())
                    _allocate();
                throw new LibTorchException(
                    $"libtorch could not run {name}; it printed the reason to standard error.");
            }
        }

        return [.. _stack.Take(results).Select(handle => Tensor.UnsafeCreateTensor((nint)handle))];
    }

    private OperatorCall Push(ulong value)
    {
        _stack[_count++] = value;
        return this;
    }

    // The call consumes the handle, and the tensor stays its owner's.
    private static ulong Handle(Tensor tensor) => NewHandle(tensor.Handle, out var handle) == 0
        ? (ulong)handle
        : throw new LibTorchException("libtorch cannot share a tensor; it printed the reason to standard error.");

    // libtorch deletes it, which is C's free.
    private static ulong Boxed(ulong value)
    {
        var box = (ulong*)NativeMemory.Alloc(sizeof(ulong));
        *box = value;
        return (ulong)box;
    }

    [LibraryImport(Library, EntryPoint = "aoti_torch_call_dispatcher", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Call(string name, string overload, ulong* stack);

    [LibraryImport(Library, EntryPoint = "aoti_torch_new_tensor_handle")]
    private static partial int NewHandle(nint tensor, out nint handle);
}
