using Rollout.Gpu.Interop;

namespace Rollout.KernelBenchmarks;

/// <summary>
/// cuBLASLt's products y = x Wᵀ of a model: its first choice, which is what runs, beside the fastest of its choices, the
/// bytes of the weights and the largest rate of any product.
/// </summary>
internal sealed class ProductBenchmark(Device device) : IDisposable
{
    private const int Choices = 12;
    private const int Square = 8192;
    private const int MaxSampledRows = 512;
    private const long WorkspaceBytes = 32 << 20;
    private const long RotatedBytes = 160 << 20; // beyond the second-level cache

    private readonly CublasLt _library = new(device.Context);
    private readonly DeviceMemory _workspace = new(WorkspaceBytes);

    /// <summary>Floating-point operations per second of a large square product in bfloat16.</summary>
    public double Ceiling()
    {
        var time = Times(Square, Square, Square, isWide: false, choices: 1)[0];
        device.Free();
        return 2.0 * Square * Square * Square / time * 1e6;
    }

    /// <summary>Prints the products of one model.</summary>
    /// <param name="name">The model's.</param>
    /// <param name="shapes">Outputs and inputs; wide ones give float32.</param>
    /// <param name="rows">Numbers of rows.</param>
    /// <param name="ceiling">See <see cref="Ceiling"/>.</param>
    public void Run(string name, (int Outputs, int Inputs, bool IsWide)[] shapes, int[] rows, double ceiling)
    {
        Console.WriteLine($"{name} products: the first choice, the best of {Choices}");
        foreach (var (outputs, inputs, isWide) in shapes)
        {
            foreach (var count in rows.Where(count => !isWide || count <= MaxSampledRows))
            {
                var times = Times(count, inputs, outputs, isWide, Choices);
                var rate = 2.0 * count * inputs * outputs / times[0] * 1e6;
                Console.WriteLine(
                    $"  {count,5} x {inputs,5} -> {outputs,6} {times[0],8:F1} us, best {times.Min(),8:F1} us  "
                    + $"{rate / 1e12,5:F0} TFLOP/s = {rate / ceiling,6:P1}  "
                    + $"{2.0 * inputs * outputs / times[0] / 1e6,5:F2} TB/s of weights");
                device.Free();
            }
        }
    }

    public void Dispose()
    {
        _workspace.Dispose();
        _library.Dispose();
    }

    // Microseconds by each choice. A run takes other weights than the run before, as the layers of a model do.
    private double[] Times(int rows, int inputs, int outputs, bool isWide, int choices)
    {
        var bytes = 2L * outputs * inputs;
        var copies = (int)Math.Max(1, RotatedBytes / bytes);
        var (weights, input) = (device.Numbers(copies * bytes), device.Numbers(2L * rows * inputs));
        var output = device.Allocate((isWide ? 4L : 2L) * rows * outputs);
        var product = _library.CreateProduct();
        var left = _library.CreateLayout(CublasLt.RealBfloat16, inputs, outputs);
        var right = _library.CreateLayout(CublasLt.RealBfloat16, inputs, rows);
        var result = _library.CreateLayout(isWide ? CublasLt.Real32 : CublasLt.RealBfloat16, outputs, rows);
        double[] times =
        [
            .. _library.Choices(product, left, right, result, WorkspaceBytes, choices).Select(choice =>
                device.Timer.Microseconds(Math.Max(5, copies), run => _library.Multiply(
                    product, (weights + (nint)(run % copies * bytes), left), (input, right), (output, result), choice,
                    _workspace, device.Stream))),
        ];
        _library.DestroyLayout(result);
        _library.DestroyLayout(right);
        _library.DestroyLayout(left);
        _library.DestroyProduct(product);
        return times;
    }
}
