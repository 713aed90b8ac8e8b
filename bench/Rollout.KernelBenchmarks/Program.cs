using Rollout.Gpu.Contracts;
using Rollout.Gpu.Kernels;
using Rollout.KernelBenchmarks;
using ScalarType = TorchSharp.torch.ScalarType;

// Each kernel's time on the GPU at hand against the bytes or operations that it cannot do without; "host": the
// host's part of a step, without a GPU. Exit code 1: what it needs is missing, or fails.
const int Vocabulary = 151_936;
(string Name, KernelShape Shape, int Hidden, int Intermediate)[] models =
[
    ("qwen3-0.6b", new KernelShape(128, 16, 8, 16, ScalarType.BFloat16), 1024, 3072),
    ("qwen3-8b", new KernelShape(128, 32, 8, 16, ScalarType.BFloat16), 4096, 12_288),
];

if (args is ["host"])
{
    HostBenchmark.Run();
    return 0;
}

try
{
    using var device = new Device();
    using var products = new ProductBenchmark(device);
    var ceiling = products.Ceiling();
    Console.WriteLine(
        $"{device.Context.Info.Name}, NVRTC {device.Compiler.Version}; a large product runs at {ceiling / 1e12:F0} TFLOP/s");
    foreach (var (name, shape, hidden, intermediate) in models)
    {
        var random = new Random(7);
        using (var attention = new AttentionBenchmark(device, name, shape, ceiling))
        {
            attention.Run("decode, batch 256, contexts 200..1600",
                [.. Enumerable.Range(0, 256).Select(_ => (random.Next(200, 1601), 1, 0, 0))]);
            attention.Run("decode, 32 groups of 16, prompts of 512, 0..1024 generated",
                [.. Enumerable.Range(0, 512).Select(i => (513 + random.Next(1024), 1, i / 16, 512))]);
            attention.Run("decode, batch 8, contexts 200..1600",
                [.. Enumerable.Range(0, 8).Select(_ => (random.Next(200, 1601), 1, 0, 0))]);
            attention.Run("prefill, 32 prompts of 512", [.. Enumerable.Range(0, 32).Select(_ => (512, 512, 0, 0))]);
        }

        using var step = new StepBenchmark(device, shape);
        Console.WriteLine($"{name} step of 512:");
        step.Run(hidden, intermediate);
        var qkv = (shape.QueryHeads + (2 * shape.KvHeads)) * shape.HeadDim;
        products.Run(
            name,
            [
                (qkv, hidden, false), (hidden, shape.QueryHeads * shape.HeadDim, false), (2 * intermediate, hidden, false),
                (hidden, intermediate, false), (Vocabulary, hidden, true),
            ],
            [64, 256, 512, 8192],
            ceiling);
    }
    return 0;
}
catch (DeviceException failure)
{
    Console.Error.WriteLine(failure.Message);
    return 1;
}
