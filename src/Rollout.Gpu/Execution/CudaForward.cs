using System.Runtime.InteropServices;
using Rollout.Gpu.Cache;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Kernels;
using Rollout.Gpu.Models;
using static TorchSharp.torch;

namespace Rollout.Gpu.Execution;

/// <summary>A packed step, ready to be queued.</summary>
/// <param name="Layout">The layout of its inputs.</param>
/// <param name="InputBytes">Bytes of inputs to copy.</param>
/// <param name="Tokens">Tokens, padding included; 0 computes nothing.</param>
/// <param name="LogitRows">Rows that go through the head, padding included; 0 where nothing is sampled.</param>
/// <param name="Copies">Blocks to copy first.</param>
/// <param name="IsDecode">Every row is one token with one draw, so that a recorded graph can run the step.</param>
internal readonly record struct QueuedStep(
    StepInputs Layout, int InputBytes, int Tokens, int LogitRows, int Copies, bool IsDecode);

/// <summary>
/// Queues the parts of a step on a GPU: its packed inputs, the forward pass, the head over the rows to sample from,
/// and sampling. All memory is allocated at the start, for the largest step. <see cref="CudaModelRunner"/> uses it.
/// </summary>
internal sealed class CudaForward : IDisposable
{
    private readonly CausalLm _model;
    private readonly CudaStream _stream;
    private readonly KernelLibrary _kernels;
    private readonly MatrixProducts _products;
    private readonly AdapterProducts _adapters;
    private readonly WorkBuffers _values;
    private readonly StepMemory _memory;
    private readonly CudaPass _pass;
    private readonly StepInputsBuilder _builder;
    private readonly StepInputs _mixed;
    private readonly Dictionary<int, StepInputs> _decode;
    private CudaKvPool? _pool;
    private int _lastDraws;

    /// <param name="model">The model, on the device.</param>
    /// <param name="options">The size of the largest step.</param>
    /// <param name="context">The device's context.</param>
    /// <param name="stream">The stream that all work is queued on.</param>
    /// <exception cref="CudaException">The device has too little memory, or fails.</exception>
    /// <exception cref="UnsupportedModelException">The kernels don't support the shape.</exception>
    /// <exception cref="UnsupportedDeviceException">The device lacks what the kernels need.</exception>
    public CudaForward(CausalLm model, CudaRunnerOptions options, CudaContext context, CudaStream stream)
    {
        _model = model;
        _stream = stream;
        using var owned = new Owned();
        var config = model.Config;
        // Logits stay float32: in bfloat16 near-equal ones would tie, and differ from what a trainer computes.
        var shape = KernelShape.Of(KvCacheShape.Of(config), options.BlockSize, model.Dtype)
            with
        { LogitsDtype = ScalarType.Float32 };
        RmsNormKernel.RequireSupported(context.Info, config.HiddenSize);
        _kernels = owned.Add(
            KernelLibrary.Load(context.Info, shape, Nvrtc.Load(LibTorch.Folder), KernelCache.Default()));
        _builder = new StepInputsBuilder(
            new AttentionSchedule(shape, _kernels.Attention.Parts, options.SharesPrompts));
        _products = owned.Add(new MatrixProducts(context, stream, model.Dtype));

        var longest = KvCacheGeometry.BlocksFor(
            Math.Min(options.MaxModelLength, config.MaxPositionEmbeddings), options.BlockSize);
        StepInputs Layout(int tokens, int rows) => new(
            new StepCapacity(
                tokens, rows, rows, options.MaxNumSeqs, checked(rows * longest), _kernels.Attention.Parts),
            shape);
        var largest = BatchLadder.Padded(options.MaxNumSeqs);
        var tokens = BatchLadder.Padded(Math.Max(options.MaxNumBatchedTokens, options.MaxNumSeqs));
        _mixed = Layout(tokens, largest);
        _decode = BatchLadder.Sizes(options.MaxNumSeqs).ToDictionary(rows => rows, rows => Layout(rows, rows));
        StepInputs[] layouts = [_mixed, .. _decode.Values];
        _values = owned.Add(new WorkBuffers(config, MatrixProducts.Room(tokens), shape.ElementBytes));
        _memory = owned.Add(new StepMemory(config, shape, layouts, layouts.Max(_kernels.Attention.WorkspaceBytes)));
        _adapters = owned.Add(new AdapterProducts(model, _products, tokens, shape.ElementBytes));
        _pass = new CudaPass(_kernels, _products, _adapters, _values, _memory, config, stream);

        using var frequencies = new PinnedMemory(config.HeadDim / 2 * sizeof(float));
        config.Rope.InverseFrequencies(config.HeadDim)
            .CopyTo(MemoryMarshal.Cast<byte, float>(frequencies.Span));
        _stream.CopyToDevice(_memory.Frequencies, frequencies.Pointer, frequencies.Bytes);
        _stream.Synchronize();
        owned.Keep();
    }

    /// <summary>Bytes of the largest step's inputs.</summary>
    public int InputBytes => _memory.InputBytes;

    /// <summary>Matrix products with a chosen algorithm.</summary>
    public int ProductCount => _products.Count;

    /// <summary>The most draws of a step.</summary>
    public int MaxDraws => _mixed.Capacity.Draws;

    /// <summary>The most blocks that a step can copy.</summary>
    public int MaxCopies => Math.Min(_kernels.Copy.MaxCopies, _mixed.Capacity.Copies);

    /// <summary>Sets the pool of keys and values.</summary>
    public void Use(CudaKvPool pool)
    {
        _pool = pool;
        _pass.Use(pool);
    }

    /// <summary>Reads the model's adapters again, which have changed. No step may be under way.</summary>
    public void LoadAdapters() => _adapters.Load();

    /// <summary>
    /// Runs the largest step without any token, and the matrix products of all smaller steps, and waits for them.
    /// Afterwards the driver and the libraries have allocated all memory that they need.
    /// </summary>
    public void WarmUp(PinnedMemory inputs)
    {
        var nothing = new ForwardBatch { QueryStart = [0], BlockTableStart = [0] };
        var ints = _builder.Write(nothing, _mixed, MemoryMarshal.Cast<byte, int>(inputs.Span));
        var (tokens, rows) = (_mixed.Capacity.Tokens, _mixed.Capacity.Draws);
        var step = new QueuedStep(_mixed, ints * sizeof(int), tokens, rows, Copies: 0, IsDecode: false);
        QueueInputs(inputs, step);
        Queue(step);
        _values.Clear();
        var (from, to) = (_values.Reserve(), _values.Reserve());
        _products.Prepare(BatchLadder.Sizes(tokens), wide: false, from.Pointer, to.Pointer);
        _products.Prepare(BatchLadder.Sizes(rows), wide: true, from.Pointer, _memory.Logits);
        _stream.Synchronize();
    }

    /// <summary>Packs a batch into the inputs on the host.</summary>
    /// <exception cref="ArgumentException">
    /// The batch is larger than the largest step, or names blocks outside of the pool.
    /// </exception>
    /// <exception cref="RowFaultException">Rows hold token ids outside of the vocabulary.</exception>
    public QueuedStep Pack(ForwardBatch batch, Span<byte> to)
    {
        if (batch.TokenCount == 0 && batch.Copies.Count == 0)
            return new QueuedStep(_mixed, 0, 0, 0, 0, IsDecode: false);
        Check(batch);
        var isDecode = IsDecode(batch);
        var tokens = batch.TokenCount == 0 ? 0 : BatchLadder.Padded(batch.TokenCount);
        var layout = isDecode ? _decode[tokens] : _mixed;
        var ints = _builder.Write(batch, layout, MemoryMarshal.Cast<byte, int>(to));
        var logits = isDecode ? tokens : _builder.LogitCount == 0 ? 0 : BatchLadder.Padded(_builder.LogitCount);
        _lastDraws = batch.DrawCount;
        return new QueuedStep(layout, ints * sizeof(int), tokens, logits, batch.Copies.Count, isDecode);
    }

    /// <summary>Queues the copies of the packed inputs, and the step's copies of blocks.</summary>
    public void QueueInputs(PinnedMemory from, QueuedStep step)
    {
        _stream.CopyToDevice(_memory.Inputs, from.Pointer, step.InputBytes);
        if (step.Copies > 0)
        {
            _kernels.Copy.Launch(
                _stream, step.Layout, _memory.Inputs, _pool!.Start, _pool.Geometry, _model.Config.LayerCount,
                step.Copies);
        }
    }

    /// <summary>Queues computing and sampling of a step whose inputs were queued.</summary>
    public void Queue(QueuedStep step)
    {
        if (step.Tokens == 0)
            return;
        _kernels.Prepare.Launch(
            _stream, step.Layout, _memory.Inputs, _memory.Tokens, _memory.Frequencies, _memory.Prepared, step.Tokens);
        _pass.Begin(step.Tokens, step.Layout);
        var hidden = _model.Stack.Forward(_pass);
        if (step.LogitRows == 0)
            return;
        if (!step.IsDecode)
            hidden = _pass.Select(hidden, step.LogitRows);
        var vocabulary = _model.Config.VocabSize;
        _products.Multiply(hidden.Pointer, _model.LogitProjection, _memory.Logits, step.LogitRows, wide: true);
        _adapters.AddTo(_memory.Logits, _model.LogitProjection, hidden.Pointer, step.LogitRows, wide: true);
        _kernels.Sample.Launch(
            _stream, step.Layout, _memory.Inputs, _memory.Logits, _memory.Tokens, _memory.Logprobs,
            _memory.SamplingLogprobs, step.IsDecode ? step.Tokens : step.Layout.Capacity.Draws, vocabulary, vocabulary);
    }

    /// <summary>Queues a decode step of so many rows, padding included.</summary>
    public void QueueDecode(int rows) => Queue(new QueuedStep(_decode[rows], 0, rows, rows, 0, IsDecode: true));

    /// <summary>Queues the copy of what was sampled, as <see cref="StepInFlight.Outputs"/> has it.</summary>
    public void QueueOutputs(StepInFlight step)
    {
        var draws = step.DrawCount;
        if (draws == 0)
            return;
        var to = step.Outputs.Pointer;
        _stream.CopyToHost(to, _memory.Tokens, draws * sizeof(int));
        _stream.CopyToHost(to + (MaxDraws * sizeof(int)), _memory.Logprobs, draws * sizeof(float));
        if (step.HasFilters)
        {
            _stream.CopyToHost(
                to + (MaxDraws * (sizeof(int) + sizeof(float))), _memory.SamplingLogprobs, draws * sizeof(float));
        }
    }

    public void Dispose()
    {
        _memory.Dispose();
        _adapters.Dispose();
        _values.Dispose();
        _products.Dispose();
        _kernels.Dispose();
    }

    private bool IsDecode(ForwardBatch batch)
    {
        if (batch.TokenCount != batch.RowCount || batch.DrawCount != batch.RowCount
            || !_decode.ContainsKey(BatchLadder.Padded(batch.RowCount)))
        {
            return false;
        }

        for (var i = 0; i < batch.DrawCount; i++)
        {
            if (batch.Draws[i].Row != i)
                return false;
        }

        return true;
    }

    // The kernels don't check addresses.
    private void Check(ForwardBatch batch)
    {
        var blocks = batch.BlockTables.AsSpan(0, batch.BlockTableStart[batch.RowCount]);
        if (blocks.ContainsAnyExceptInRange(0, _pool!.Geometry.BlockCount - 1))
        {
            throw new ArgumentException(
                $"A block table names a block outside of the pool, which has {_pool.Geometry.BlockCount} blocks.");
        }
        TokenIdCheck.Require(batch, _model.Config.VocabSize, _lastDraws);
    }
}
