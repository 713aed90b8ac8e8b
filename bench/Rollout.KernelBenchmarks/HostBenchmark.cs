using System.Diagnostics;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Kernels;
using ScalarType = TorchSharp.torch.ScalarType;

namespace Rollout.KernelBenchmarks;

/// <summary>The host's time to lay out a step and pack its inputs; needs no GPU.</summary>
internal static class HostBenchmark
{
    public static void Run()
    {
        var shape = new KernelShape(128, 16, 8, 16, ScalarType.BFloat16);
        var random = new Random(7);
        foreach (var (name, shared) in new[] { ("apart", 0), ("32 groups of 16", 512) })
        {
            var rows = Enumerable.Range(0, 512).Select(i => (513 + random.Next(1024), 1, i / 16, shared)).ToArray();
            var batch = Batches.Of(rows, shape.BlockSize, out _);
            var layout = new StepInputs(new StepCapacity(512, 512, 512, 0, batch.BlockTables.Length, 33), shape);
            var builder = new StepInputsBuilder(new AttentionSchedule(shape, 33));
            var buffer = new int[layout.Ints];
            var first = Stopwatch.GetTimestamp();
            var used = builder.Write(batch, layout, buffer);
            var cold = Stopwatch.GetElapsedTime(first).TotalMicroseconds;
            var warm = Microseconds(builder, batch, layout, buffer);
            Console.WriteLine($"512 rows {name}: {warm:F0} us, the first {cold:F0} us, {used * 4} bytes to copy");
        }
    }

    /// <summary>The median of many, warm.</summary>
    public static double Microseconds(StepInputsBuilder builder, ForwardBatch batch, StepInputs layout, int[] buffer)
    {
        // The runtime compiles again what has run for a while.
        var warm = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(warm) < TimeSpan.FromSeconds(0.4))
            builder.Write(batch, layout, buffer);
        var times = new double[200];
        foreach (ref var time in times.AsSpan())
        {
            var start = Stopwatch.GetTimestamp();
            builder.Write(batch, layout, buffer);
            time = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        }

        Array.Sort(times);
        return times[times.Length / 2];
    }
}
