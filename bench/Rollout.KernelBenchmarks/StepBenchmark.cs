using Rollout.Gpu.Contracts;
using Rollout.Gpu.Kernels;
using ScalarType = TorchSharp.torch.ScalarType;

namespace Rollout.KernelBenchmarks;

/// <summary>Every kernel of a decode step but attention, against the bytes that it must move.</summary>
internal sealed class StepBenchmark(Device device, KernelShape shape) : IDisposable
{
    private const int Rows = 512;
    private const int Vocabulary = 151_936;

    private readonly KernelLibrary _kernels =
        device.Kernels(shape with { LogitsDtype = ScalarType.Float32 });

    /// <param name="hidden">Of the model.</param>
    /// <param name="intermediate">Of its MLP.</param>
    public void Run(int hidden, int intermediate)
    {
        long rowBytes = Rows * hidden * 2;
        var (x, residual, weight) = (device.Numbers(rowBytes), device.Numbers(rowBytes), device.Numbers(hidden * 2));
        var result = device.Allocate(rowBytes);
        Print("rms_norm", 2 * rowBytes, 50,
            () => _kernels.Norm.Normalize(device.Stream, x, weight, result, Rows, hidden, 1e-6f));
        Print("add_rms_norm", 4 * rowBytes, 50,
            () => _kernels.Norm.AddNormalize(device.Stream, x, residual, weight, result, Rows, hidden, 1e-6f));
        var gateUp = device.Numbers(4L * Rows * intermediate);
        var gated = device.Allocate(2L * Rows * intermediate);
        Print("silu_mul", 6L * Rows * intermediate, 50,
            () => _kernels.Gate.Launch(device.Stream, gateUp, gated, Rows, intermediate));

        var batch = Batch();
        var parts = _kernels.Attention.Parts;
        var layout = new StepInputs(new StepCapacity(Rows, Rows, Rows, 480, batch.BlockTables.Length, parts), shape);
        var buffer = new int[layout.Ints];
        new StepInputsBuilder(new AttentionSchedule(shape, parts)).Write(batch, layout, buffer);
        var inputs = device.Upload(buffer);
        var prepared = PreparedTokens.At(device.Allocate(PreparedTokens.BytesFor(Rows, shape)), Rows);
        var frequencies = device.Numbers(shape.HeadDim * 2);
        Print("prepare_step", Rows * shape.HeadDim * 4, 50, () => _kernels.Prepare.Launch(
            device.Stream, layout, inputs, inputs, frequencies, prepared, Rows));
        var embedding = device.Numbers(2L * Vocabulary * hidden);
        Print("gather_rows", 2 * rowBytes, 50, () => _kernels.Gather.Launch(
            device.Stream, embedding, prepared.Tokens, result, Rows, hidden));

        var heads = shape.QueryHeads + (2 * shape.KvHeads);
        var qkv = device.Numbers(2L * Rows * heads * shape.HeadDim);
        var query = device.Allocate(2L * Rows * shape.QueryHeads * shape.HeadDim);
        var normWeights = device.Numbers(4 * shape.HeadDim);
        const int Layers = 28, Blocks = 2048;
        var layerBytes = (long)Blocks * shape.BlockSize * shape.KvHeads * shape.HeadDim * 2;
        var cache = device.Numbers(2 * Layers * layerBytes);
        Print("qk_norm_rope", 4L * Rows * heads * shape.HeadDim, 50, () => _kernels.WriteKv.Launch(
            device.Stream, qkv, normWeights, prepared, query, cache, cache + (nint)layerBytes, Rows, 1e-6f));
        Print("copy_blocks", 2L * batch.Copies.Count * 2 * Layers * layerBytes / Blocks, 3, () => _kernels.Copy.Launch(
            device.Stream, layout, inputs, cache, new KvCacheGeometry(Blocks, shape.BlockSize), Layers, batch.Copies.Count));
        device.Free();
        Sample();
    }

    private void Sample()
    {
        var bytes = (long)sizeof(float) * Rows * Vocabulary; // as the model's head gives them
        var logits = device.Logits(bytes);
        var read = device.ReadCeiling(logits, bytes);
        Console.WriteLine(
            $"  read-only      {bytes / read * 1e6,8:F1} us  {bytes / 1e6,8:F1} MB  {read / 1e12,6:F2} TB/s (the logits)");
        foreach (var (label, sampling) in new (string, SamplingParams)[]
        {
            ("sample t=1", new() { MaxTokens = 1 }),
            ("sample t=0", new() { MaxTokens = 1, Temperature = 0 }),
            ("sample top-p", new() { MaxTokens = 1, TopP = 0.9f }),
            ("sample top-k", new() { MaxTokens = 1, TopK = 50 }),
        })
        {
            var batch = Batch();
            batch.Draws = [.. Enumerable.Range(0, Rows).Select(row => new Draw(row, 7, (ulong)row, sampling))];
            batch.DrawCount = Rows;
            var parts = _kernels.Attention.Parts;
            var layout = new StepInputs(new StepCapacity(Rows, Rows, Rows, 480, batch.BlockTables.Length, parts), shape);
            var buffer = new int[layout.Ints];
            new StepInputsBuilder(new AttentionSchedule(shape, parts)).Write(batch, layout, buffer);
            var inputs = device.Upload(buffer);
            var (tokens, logprobs) = (device.Allocate(4 * Rows), device.Allocate(4 * Rows));
            var keptLogprobs = device.Allocate(4 * Rows);
            Print(label, bytes, 5, () => _kernels.Sample.Launch(
                device.Stream, layout, inputs, logits, tokens, logprobs, keptLogprobs, Rows, Vocabulary, Vocabulary));
        }

        device.Free();
    }

    private ForwardBatch Batch()
    {
        var tableBlocks = 1000 / shape.BlockSize + 1;
        var batch = new ForwardBatch
        {
            TokenCount = Rows,
            RowCount = Rows,
            TokenIds = [.. Enumerable.Range(0, Rows).Select(row => row * 291 % Vocabulary)],
            QueryStart = [.. Enumerable.Range(0, Rows + 1)],
            ContextLengths = [.. Enumerable.Repeat(1000, Rows)],
            BlockTableStart = [.. Enumerable.Range(0, Rows + 1).Select(row => row * tableBlocks)],
            BlockTables = [.. Enumerable.Range(0, Rows * tableBlocks).Select(i => i * 7 % 2048)],
        };
        for (var i = 0; i < 480; i++)
            batch.Copies.Add(new BlockCopy(new BlockId(i / 15), new BlockId(100 + i)));
        return batch;
    }

    private void Print(string name, long bytes, int repeats, Action run)
    {
        var time = device.Timer.Microseconds(repeats, _ => run());
        Console.WriteLine($"  {name,-14} {time,8:F1} us  {bytes / 1e6,8:F1} MB  {bytes / time / 1e6,6:F2} TB/s");
    }

    public void Dispose() => _kernels.Dispose();
}
