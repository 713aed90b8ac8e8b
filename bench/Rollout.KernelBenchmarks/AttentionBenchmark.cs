using Rollout.Gpu.Contracts;
using Rollout.Gpu.Kernels;

namespace Rollout.KernelBenchmarks;

/// <summary>
/// Attention, layer after layer as a model computes it, so that no layer finds its keys and values in the L2 cache;
/// against the bytes that it must read and against what the device can multiply.
/// </summary>
/// <param name="device">The GPU.</param>
/// <param name="name">Of the shape.</param>
/// <param name="shape">Of the kernels.</param>
/// <param name="products">FLOP/s of a large product.</param>
internal sealed class AttentionBenchmark(Device device, string name, KernelShape shape, double products) : IDisposable
{
    private const int Layers = 8;

    private readonly KernelLibrary _kernels = device.Kernels(shape);

    /// <summary>Rows of (context, new tokens, family, shared leading tokens).</summary>
    public void Run(string workload, (int Context, int Tokens, int Family, int Shared)[] rows)
    {
        var batch = Batches.Of(rows, shape.BlockSize, out var blocks);
        var layerBytes = 2L * blocks * shape.BlockSize * shape.KvHeads * shape.HeadDim * shape.ElementBytes;
        var cache = device.Numbers(Layers * layerBytes);
        var read = device.ReadCeiling(cache, layerBytes, Layers);
        var copy = device.CopyCeiling(cache, layerBytes);
        Console.WriteLine(
            $"{name} {workload}: {blocks} blocks, {layerBytes / 1e6:F0} MB a layer; read-only {read / 1e12:F2} TB/s, "
            + $"copy {copy / 1e12:F2} TB/s; parts {_kernels.Attention.Parts}, "
            + $"{_kernels.Attention.Function.Registers} registers, {_kernels.Attention.Function.LocalBytes} bytes local");
        foreach (var share in rows.Any(row => row.Shared > 0) ? new[] { true, false } : [true])
            Measure(batch, layerBytes, cache, share, read, rows);
        device.Free();
    }

    private void Measure(
        ForwardBatch batch, long layerBytes, nint cache, bool share, double ceiling,
        (int Context, int Tokens, int Family, int Shared)[] rows)
    {
        var parts = _kernels.Attention.Parts;
        var layout = new StepInputs(
            new StepCapacity(batch.TokenCount, batch.RowCount, 1, 0, batch.BlockTables.Length, parts), shape);
        var buffer = new int[layout.Ints];
        var schedule = new AttentionSchedule(shape, parts, share);
        var host = HostBenchmark.Microseconds(new StepInputsBuilder(schedule), batch, layout, buffer);
        var inputs = device.Upload(buffer);
        var positions = device.Upload([.. rows.SelectMany(row => Enumerable.Range(row.Context - row.Tokens, row.Tokens))]);
        var vectorBytes = (long)shape.QueryHeads * shape.HeadDim * shape.ElementBytes;
        var query = device.Numbers(batch.TokenCount * vectorBytes);
        var result = device.Allocate(batch.TokenCount * vectorBytes);
        var workspace = device.Allocate(_kernels.Attention.WorkspaceBytes(layout));
        var time = device.Timer.Microseconds(2 * Layers, run =>
        {
            var keys = cache + (nint)(run % Layers * layerBytes);
            _kernels.Attention.Launch(
                device.Stream, layout, inputs, new PreparedTokens(0, positions, 0, 0), query, keys,
                keys + (nint)(layerBytes / 2), result, workspace, batch.TokenCount);
        });

        var keyBytes = 2L * shape.KvHeads * shape.HeadDim * shape.ElementBytes;
        var bytes = keyBytes * rows.GroupBy(row => (row.Family, row.Shared)).Sum(family =>
            share && family.Key.Shared > 0
                ? family.Key.Shared + family.Sum(row => (long)row.Context - row.Shared)
                : family.Sum(row => (long)row.Context));
        var operations = 4.0 * shape.QueryHeads * shape.HeadDim
            * rows.Sum(row => ((double)row.Context * row.Tokens) - (row.Tokens * (row.Tokens - 1) / 2.0));
        Console.WriteLine(
            $"  {(share ? "shared" : "apart "),-7} {time,8:F1} us  {bytes / time / 1e6,6:F2} TB/s = "
            + $"{bytes / time * 1e6 / ceiling,6:P1} of read-only  {operations / time / 1e6,6:F0} TFLOP/s = "
            + $"{operations / time * 1e6 / products,6:P1} of a large product  "
            + $"{schedule.Segments.Length} segments, host {host:F0} us");
    }

    public void Dispose() => _kernels.Dispose();
}
