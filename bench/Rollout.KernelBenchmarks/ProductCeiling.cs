using Rollout.Gpu.Interop;

namespace Rollout.KernelBenchmarks;

/// <summary>What the device reaches in a large matrix product: the ceiling of what is bound by arithmetic.</summary>
internal static class ProductCeiling
{
    /// <summary>Rows, columns and depth.</summary>
    public const int Size = 8192;

    private const int Repeats = 5;
    private const long WorkspaceBytes = 32 << 20;

    /// <summary>Operations per second of a bfloat16 product with float32 sums; NaN without cuBLASLt.</summary>
    public static double Measure(Device device)
    {
        try
        {
            using var library = new CublasLt(device.Context);
            return Measure(device, library);
        }
        catch (LibTorchException)
        {
            return double.NaN;
        }
    }

    private static double Measure(Device device, CublasLt library)
    {
        const long Bytes = 2L * Size * Size;
        var (left, right, result) = (device.Numbers(Bytes), device.Numbers(Bytes), device.Allocate(Bytes));
        using var workspace = new DeviceMemory(WorkspaceBytes);
        var product = library.CreateProduct();
        var layout = library.CreateLayout(CublasLt.RealBfloat16, Size, Size);
        var choice = library.Choose(product, layout, layout, layout, WorkspaceBytes);
        var time = device.Timer.Microseconds(Repeats, _ => library.Multiply(
            product, (left, layout), (right, layout), (result, layout), choice, workspace, device.Stream));
        library.DestroyLayout(layout);
        library.DestroyProduct(product);
        device.Free();
        return 2.0 * Size * Size * Size / time * 1e6;
    }
}
