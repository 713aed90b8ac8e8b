using System.Diagnostics;
using System.Runtime.InteropServices;
using Rollout.Gpu.Cache;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Sampling;
using Rollout.Gpu.Weights;
using static TorchSharp.torch;

namespace Rollout.Gpu.Execution;

/// <summary>
/// Runs one model with one KV cache through torch, on the CPU or on a GPU with the contiguous cache: copies blocks,
/// computes the forward pass, samples on the CPU. Autograd is off, a step's tensors die with it, and the model's
/// training mode is restored, also when a step throws.
/// </summary>
internal sealed class ModelRunner : IModelRunner
{
    private readonly PolicyWeights _weights;
    private readonly IKvCache _cache;
    private readonly Sampler _sampler;
    private readonly RowPadding _padding;
    private readonly InputBuffers _inputs;
    private readonly StepOutput _output = new();
    private int[] _logitRowOfRow = [];
    private int[] _logitRowOfDraw = [];
    private int[] _lastTokens = [];
    private bool _isStarted;
    private DrawFaultException? _fault;

    /// <param name="weights">The policy, shared with this process's trainer. Not disposed with the runner.</param>
    /// <param name="cache">A cache of the model's shape on its device. Disposed with the runner.</param>
    /// <param name="threads">The most threads of sampling, the caller's included.</param>
    /// <param name="padding">
    /// Padding rows that make log-probabilities independent of the batch, to the last bit. Null adds none: then
    /// log-probabilities of different batches may differ in about the sixth digit.
    /// </param>
    public ModelRunner(PolicyWeights weights, IKvCache cache, int threads, RowPadding? padding = null)
    {
        _weights = weights;
        _cache = cache;
        _padding = padding ?? RowPadding.None;
        _sampler = new Sampler(threads);
        _inputs = new InputBuffers(weights.Model.Device);
        Version = weights.Version;
    }

    public KvCacheGeometry Geometry => _cache.Geometry;

    public PolicyVersion Version { get; private set; }

    public int VocabularySize => _weights.Model.Config.VocabSize;

    public int MaxStepsUnderWay => 1;

    /// <exception cref="ArgumentException">The batch does not fit the cache.</exception>
    public void Start(ForwardBatch batch)
    {
        if (_isStarted)
            throw new InvalidOperationException("A step is already started and not finished.");
        (_output.Count, _output.ForwardTime, _output.SamplingTime) = (0, TimeSpan.Zero, TimeSpan.Zero);
        var model = _weights.Model;
        TokenIdCheck.Require(batch, model.Config.VocabSize, pendingDraws: 0);
        var training = model.training;
        try
        {
            if (training)
                model.eval();
            using var untracked = inference_mode();
            using var scope = NewDisposeScope();
            _cache.CopyBlocks(batch.Copies);
            if (batch.TokenCount > 0)
                Step(batch);
            _isStarted = true;
        }
        catch (ExternalException cause)
        {
            // libtorch ran out of memory, or a kernel failed. Bad input was refused before.
            throw new DeviceFaultException(
                $"A step of {batch.TokenCount} tokens failed on {model.Device}.", cause);
        }
        finally
        {
            if (training)
                model.train();
        }
    }

    public StepOutput Finish()
    {
        if (!_isStarted)
            throw new InvalidOperationException("No step is started.");
        _isStarted = false;
        if (_fault is { } fault)
        {
            _fault = null;
            throw fault;
        }

        return _output;
    }

    /// <exception cref="InvalidOperationException">The shared weights are of another version.</exception>
    public void LoadWeights(PolicyVersion version) => Version = _weights.Require(version);

    public void Dispose()
    {
        _inputs.Dispose();
        _cache.Dispose();
    }

    private void Step(ForwardBatch batch)
    {
        var started = Stopwatch.GetTimestamp();
        var sampledRows = FindSampledRows(batch);
        var rows = _padding.Padded(batch.TokenCount);
        var attention = _cache.Bind(batch);
        var hidden = _weights.Model.Hidden( // [rows, hidden]
            _inputs.TokenIds(batch.TokenIds.AsSpan(0, batch.TokenCount), rows),
            _inputs.Positions(batch.Positions.AsSpan(0, batch.TokenCount), rows),
            rows == batch.TokenCount ? attention : new PaddedAttention(attention, batch.TokenCount));
        if (sampledRows == 0)
        {
            _output.ForwardTime = Stopwatch.GetElapsedTime(started);
            return;
        }

        if (sampledRows < batch.TokenCount)
        {
            hidden = hidden.index_select(
                0, _inputs.LastTokens(_lastTokens.AsSpan(0, sampledRows), _padding.Padded(sampledRows)));
        }

        // [sampled rows and padding, vocab]. The copy to the host is the step's only wait for the device.
        var logits = _weights.Model.Logits(hidden);
        var host = logits.to(ScalarType.Float32).cpu().contiguous();
        var sampling = Stopwatch.GetTimestamp();
        _output.ForwardTime = Stopwatch.GetElapsedTime(started, sampling);

        var numbers = MemoryMarshal.Cast<byte, float>(host.bytes);
        try
        {
            _sampler.Sample(numbers, (int)host.size(1), batch, _logitRowOfDraw, _output);
        }
        catch (DrawFaultException fault)
        {
            _fault = fault; // thrown by Finish, as on a GPU
        }
        _output.SamplingTime = Stopwatch.GetElapsedTime(sampling);
    }

    // Computes logits once for each row that has draws, in the order of the rows.
    private int FindSampledRows(ForwardBatch batch)
    {
        Grow(ref _logitRowOfRow, batch.RowCount);
        Grow(ref _lastTokens, batch.RowCount);
        Grow(ref _logitRowOfDraw, batch.DrawCount);
        var ofRow = _logitRowOfRow.AsSpan(0, batch.RowCount);
        ofRow.Clear();
        foreach (var draw in batch.Draws.AsSpan(0, batch.DrawCount))
            ofRow[draw.Row] = 1;

        var count = 0;
        for (var row = 0; row < ofRow.Length; row++)
        {
            if (ofRow[row] == 0)
                continue;
            ofRow[row] = count;
            _lastTokens[count++] = batch.QueryStart[row + 1] - 1;
        }

        for (var i = 0; i < batch.DrawCount; i++)
            _logitRowOfDraw[i] = ofRow[batch.Draws[i].Row];
        return count;
    }

    private static void Grow(ref int[] array, int needed)
    {
        if (array.Length < needed)
            array = new int[Math.Max(needed, 2 * array.Length)];
    }
}
