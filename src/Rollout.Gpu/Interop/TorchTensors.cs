using static TorchSharp.torch;

namespace Rollout.Gpu.Interop;

/// <summary>Between tensors and the addresses that kernels take, and products into memory that is there.</summary>
internal static unsafe class TorchTensors
{
    /// <summary>The address of the tensor's first number, on its own device.</summary>
    /// <exception cref="LibTorchException">libtorch does not tell.</exception>
    public static nint Pointer(Tensor tensor)
    {
        Check(AotiTorch.aoti_torch_get_data_ptr(tensor.Handle, out var pointer), "tell a tensor's address");
        return pointer;
    }

    /// <summary>
    /// A packed tensor over memory that somebody else owns and that must outlive it; the caller's dispose scope
    /// owns the tensor, not the memory.
    /// </summary>
    /// <param name="pointer">The first number, on the device.</param>
    /// <param name="shape">Its sizes.</param>
    /// <param name="dtype">Of the numbers.</param>
    /// <param name="device">Where the memory is.</param>
    /// <exception cref="LibTorchException">libtorch refuses.</exception>
    public static Tensor Over(nint pointer, ReadOnlySpan<long> shape, ScalarType dtype, Device device)
    {
        var strides = stackalloc long[shape.Length];
        for (var (i, stride) = (shape.Length - 1, 1L); i >= 0; stride *= shape[i--])
            strides[i] = stride;
        fixed (long* sizes = shape)
        {
            Check(
                AotiTorch.aoti_torch_create_tensor_from_blob(
                    pointer, shape.Length, sizes, strides, 0, (int)dtype, (int)device.type,
                    Math.Max(device.index, 0), out var tensor),
                "make a tensor over foreign memory");
            return Tensor.UnsafeCreateTensor(tensor);
        }
    }

    /// <summary>result = left · right, without allocating.</summary>
    /// <param name="result">[n, m], written.</param>
    /// <param name="left">[n, k].</param>
    /// <param name="right">[k, m], may be a transposed view.</param>
    /// <exception cref="LibTorchException">Shapes or types do not fit.</exception>
    public static void MultiplyInto(Tensor result, Tensor left, Tensor right) =>
        Check(AotiTorch.aoti_torch_mm_out(result.Handle, left.Handle, right.Handle), "multiply into a buffer");

    /// <summary>result = left · right + added, without allocating.</summary>
    /// <param name="result">[n, m], written.</param>
    /// <param name="added">[m] (a bias) or [n, m].</param>
    /// <param name="left">[n, k].</param>
    /// <param name="right">[k, m], may be a transposed view.</param>
    /// <exception cref="LibTorchException">Shapes or types do not fit.</exception>
    public static void MultiplyAddInto(Tensor result, Tensor added, Tensor left, Tensor right) => Check(
        AotiTorch.aoti_torch_addmm_out(result.Handle, added.Handle, left.Handle, right.Handle, 1, 1),
        "multiply and add into a buffer");

    /// <summary>Waits for everything that was given to the device, by torch and by others.</summary>
    public static void Synchronize(Device device)
    {
        using var turn = CudaGraph.Recording.EnterScope();
        cuda.synchronize(device);
    }

    private static void Check(int result, string operation)
    {
        if (result != 0)
            throw new LibTorchException($"libtorch cannot {operation}; it printed the reason to standard error.");
    }
}
