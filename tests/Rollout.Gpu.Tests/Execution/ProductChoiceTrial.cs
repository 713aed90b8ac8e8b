using Rollout.Gpu.Interop;
using Rollout.Gpu.Tests.Support;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Execution;

/// <summary>Measures, not tests: how far cuBLASLt's first choice is from its fastest. Runs only when asked for.</summary>
public sealed class ProductChoiceTrial
{
    private const int Most = 12;
    private const long Workspace = 32 << 20;
    private const long Rotated = 160 << 20; // beyond the second-level cache

    [Fact(Explicit = true)]
    public void Times_of_choices()
    {
        GpuMachine.Require();
        using var context = CudaContext.Open(0);
        using var stream = new CudaStream(context);
        using var library = new CublasLt(context);
        using var workspace = new DeviceMemory(Workspace);
        using var numbers = randn([3L << 29], ScalarType.BFloat16, CudaPolicy.Gpu); // constant ones would be faster
        var memory = TorchTensors.Pointer(numbers);
        cuda.synchronize();
        (int Outputs, int Inputs, bool Wide)[] shapes =
        [
            (4096, 1024, false), (1024, 2048, false), (6144, 1024, false), (1024, 3072, false), (151936, 1024, true),
            (6144, 4096, false), (4096, 4096, false), (24576, 4096, false), (4096, 12288, false), (151936, 4096, true),
        ];
        foreach (var (outputs, inputs, wide) in shapes)
        {
            foreach (var rows in (int[])[1, 16, 64, 128, 192, 256, 320, 384, 448, 512, 2048])
            {
                var product = library.CreateProduct();
                var left = library.CreateLayout(CublasLt.RealBfloat16, inputs, outputs);
                var right = library.CreateLayout(CublasLt.RealBfloat16, inputs, rows);
                var result = library.CreateLayout(wide ? CublasLt.Real32 : CublasLt.RealBfloat16, outputs, rows);
                var bytes = 2L * outputs * inputs;
                var copies = (int)Math.Max(1, Rotated / bytes);
                var input = memory + (nint)(copies * bytes);
                var output = input + (nint)((2L * rows * inputs + 255) / 256 * 256);
                var times = library.Choices(product, left, right, result, Workspace, Most).Select(choice =>
                {
                    var rounds = Math.Max(10, copies);
                    void Run()
                    {
                        for (var i = 0; i < rounds; i++)
                        {
                            library.Multiply(
                                product, (memory + (nint)(i % copies * bytes), left), (input, right),
                                (output, result), choice, workspace, stream);
                        }
                    }

                    using var graph = CudaGraph.Capture(stream, Run);
                    using var start = new CudaEvent(timed: true);
                    using var end = new CudaEvent(timed: true);
                    graph.Launch(stream);
                    start.Record(stream);
                    graph.Launch(stream);
                    end.Record(stream);
                    end.Synchronize();
                    return end.MillisecondsSince(start) * 1000 / rounds;
                }).ToArray();
                var best = Array.IndexOf(times, times.Min());
                TestContext.Current.TestOutputHelper?.WriteLine(
                    $"{rows,5} x {inputs,5} -> {outputs,6}: first {times[0],7:0.0} us, best {times[best],7:0.0} (choice {best}), "
                    + $"{2.0 * rows * inputs * outputs / times[best] / 1e6,6:0} TFLOP/s, {bytes / times[best] / 1e6,5:0.00} TB/s of weights");
                library.DestroyLayout(result);
                library.DestroyLayout(right);
                library.DestroyLayout(left);
                library.DestroyProduct(product);
            }
        }
    }
}
