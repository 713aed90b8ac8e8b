using System.Runtime.InteropServices;
using Rollout.Gpu.Cache;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Kernels;
using Rollout.Gpu.Models;
using static TorchSharp.torch;

namespace Rollout.Gpu.Execution;

/// <summary>A step as it is queued.</summary>
/// <param name="Layout">Where its inputs lie.</param>
/// <param name="InputBytes">How much of them is copied.</param>
/// <param name="Tokens">Padded; 0 computes nothing.</param>
/// <param name="LogitRows">Rows that go through the head, padded; 0 where nothing is sampled.</param>
/// <param name="Copies">Blocks to copy before.</param>
/// <param name="IsDecode">Every row is one token from which one is drawn: the step can be a recorded one.</param>
internal readonly record struct QueuedStep(
    StepInputs Layout, int InputBytes, int Tokens, int LogitRows, int Copies, bool IsDecode);

/// <summary>
/// What a step consists of on the device: its packed inputs, the forward pass, the head over the rows that are sampled
/// from, and sampling. All memory is there from the start, for the largest step.
/// </summary>
internal sealed class CudaForward : IDisposable
{
    private readonly CausalLm _model;
    private readonly CudaStream _stream;
    private readonly KernelLibrary _kernels;
    private readonly MatrixProducts _products;
    private readonly WorkBuffers _values;
    private readonly StepMemory _memory;
    private readonly CudaPass _pass;
    private readonly StepInputsBuilder _builder;
    private readonly StepInputs _mixed;
    private readonly Dictionary<int, StepInputs> _decode;
    private CudaKvPool? _pool;
    private int _lastDraws;

    /// <param name="model">On the device.</param>
    /// <param name="options">How large the largest step is.</param>
    /// <param name="context">Of the device.</param>
    /// <param name="stream">Where everything is queued.</param>
    /// <exception cref="CudaException">Memory is short, or the device fails.</exception>
    /// <exception cref="UnsupportedModelException">The kernels have no such shape.</exception>
    /// <exception cref="UnsupportedDeviceException">The device lacks what they need.</exception>
    public CudaForward(CausalLm model, CudaRunnerOptions options, CudaContext context, CudaStream stream)
    {
        _model = model;
        _stream = stream;
        using var owned = new Owned();
        var config = model.Config;
        // Logits are float32 sums: rounded to bfloat16, neighbours would tie, and differ from what a trainer computes.
        var shape = KernelShape.Of(KvCacheShape.Of(config), options.BlockSize, model.Dtype)
            with
        { LogitsDtype = ScalarType.Float32 };
        RmsNormKernel.RequireSupported(context.Info, config.HiddenSize);
        _kernels = owned.Add(
            KernelLibrary.Load(context.Info, shape, Nvrtc.Load(LibTorch.Folder), KernelCache.Default()));
        _builder = new StepInputsBuilder(
            new AttentionSchedule(shape, _kernels.Attention.Parts, options.SharesPrompts));
        _products = owned.Add(new MatrixProducts(context, stream, model.Dtype));

        var longest = (Math.Min(options.MaxModelLength, config.MaxPositionEmbeddings) + options.BlockSize - 1)
            / options.BlockSize;
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
        _pass = new CudaPass(_kernels, _products, _values, _memory, config, stream);

        using var frequencies = new PinnedMemory(config.HeadDim / 2 * sizeof(float));
        config.Rope.InverseFrequencies(config.HeadDim)
            .CopyTo(MemoryMarshal.Cast<byte, float>(frequencies.Span));
        _stream.CopyToDevice(_memory.Frequencies, frequencies.Pointer, frequencies.Bytes);
        _stream.Synchronize();
        owned.Keep();
    }

    /// <summary>Of the largest step's inputs on the host.</summary>
    public int InputBytes => _memory.InputBytes;

    /// <summary>Matrix products that an algorithm is chosen for.</summary>
    public int ProductCount => _products.Count;

    /// <summary>Draws of a step at most.</summary>
    public int MaxDraws => _mixed.Capacity.Draws;

    /// <summary>Blocks that a step can copy at most.</summary>
    public int MaxCopies => Math.Min(_kernels.Copy.MaxCopies, _mixed.Capacity.Copies);

    /// <summary>From now on keys and values are in this pool.</summary>
    public void Use(CudaKvPool pool)
    {
        _pool = pool;
        _pass.Use(pool);
    }

    /// <summary>
    /// Runs the largest step without a token in it, and the matrix products of all smaller ones, and waits: what the driver
    /// and the libraries allocate by themselves is then there.
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
        var (from, to) = (_values.Take(), _values.Take());
        _products.Prepare(BatchLadder.Sizes(tokens), wide: false, from.Pointer, to.Pointer);
        _products.Prepare(BatchLadder.Sizes(rows), wide: true, from.Pointer, _memory.Logits);
        _stream.Synchronize();
    }

    /// <summary>Packs a batch into the host's side of the inputs.</summary>
    /// <exception cref="ArgumentException">It is larger than the largest step, or names blocks that the pool does not have.</exception>
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

    /// <summary>Copies the packed inputs, and the blocks that the step wants copied.</summary>
    public void QueueInputs(PinnedMemory from, QueuedStep step)
    {
        _stream.CopyToDevice(_memory.Inputs, from.Pointer, step.InputBytes);
        if (step.Copies > 0)
        {
            _kernels.Copy.Launch(
                _stream, step.Layout, _memory.Inputs, _pool!.Start, _pool.Geometry, _model.Config.LayerCount, step.Copies);
        }
    }

    /// <summary>Computes and samples a step whose inputs were queued.</summary>
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
        _kernels.Sample.Launch(
            _stream, step.Layout, _memory.Inputs, _memory.Logits, _memory.Tokens, _memory.Logprobs,
            step.IsDecode ? step.Tokens : step.Layout.Capacity.Draws, vocabulary, vocabulary);
    }

    /// <summary>A decode step of so many rows, the padding among them.</summary>
    public void QueueDecode(int rows) => Queue(new QueuedStep(_decode[rows], 0, rows, rows, 0, IsDecode: true));

    /// <summary>Copies what was sampled: [draws] tokens, [draws] log-probabilities.</summary>
    public void QueueOutputs(PinnedMemory to, int draws)
    {
        if (draws == 0)
            return;
        _stream.CopyToHost(to.Pointer, _memory.Tokens, draws * sizeof(int));
        _stream.CopyToHost(to.Pointer + (MaxDraws * sizeof(int)), _memory.Logprobs, draws * sizeof(float));
    }

    public void Dispose()
    {
        _memory.Dispose();
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

    // The kernels take addresses on trust.
    private void Check(ForwardBatch batch)
    {
        var blocks = batch.BlockTables.AsSpan(0, batch.BlockTableStart[batch.RowCount]);
        if (blocks.ContainsAnyExceptInRange(0, _pool!.Geometry.BlockCount - 1))
            throw new ArgumentException($"A block table names a block outside of the pool's {_pool.Geometry.BlockCount}.");
        TokenIdCheck.Require(batch, _model.Config.VocabSize, _lastDraws);
    }
}
