using Rollout.Gpu.Cache;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Kernels;
using Rollout.Gpu.Models;
using Rollout.Gpu.Weights;
using TorchSharp;

namespace Rollout.Gpu.Execution;

/// <summary>
/// Runs one model with one paged KV pool on one GPU. Start queues a step and does not wait for it: one copy of
/// inputs, forward and sampling (one graph launch for a decode step), two copies of results, three with filters. Two steps may be running.
/// All memory is allocated, all products prepared and all graphs recorded at the start. Everything runs on one stream
/// and is used from one thread.
/// </summary>
internal sealed class CudaModelRunner : IModelRunner
{
    private const int MostUnderWay = 2;

    private readonly PolicyWeights _weights;
    private readonly CudaRunnerOptions _options;
    private readonly CudaContext _context;
    private readonly CudaMemory _memory;
    private readonly CudaStream _stream;
    private readonly CudaForward _forward;
    private readonly CudaKvPool _pool;
    private readonly DecodeGraphs _graphs;
    private readonly StepInFlight[] _steps = new StepInFlight[MostUnderWay];
    private readonly StepOutput _output = new();
    private long _started;
    private long _finished;

    /// <param name="weights">
    /// The policy, on the device, shared with this process's trainer. Not disposed with the runner; its tensors must
    /// stay where they are in memory.
    /// </param>
    /// <param name="options">The size of the largest step.</param>
    /// <exception cref="DeviceFaultException">The device has too little memory, or fails.</exception>
    /// <exception cref="LibTorchException">The driver, NVRTC or cuBLASLt is missing.</exception>
    /// <exception cref="UnsupportedModelException">The kernels don't support the model.</exception>
    /// <exception cref="UnsupportedDeviceException">The device lacks what the kernels need.</exception>
    public CudaModelRunner(PolicyWeights weights, CudaRunnerOptions options)
    {
        _weights = weights;
        _options = options;
        Version = weights.Version;
        try
        {
            using var owned = new Owned();
            var model = weights.Model;
            _context = owned.Add(CudaContext.Open(options.Ordinal));
            _memory = owned.Add(new CudaMemory(options.Ordinal));
            _stream = owned.Add(new CudaStream(_context));
            _forward = owned.Add(new CudaForward(model, options, _context, _stream));
            for (var i = 0; i < MostUnderWay; i++)
                _steps[i] = owned.Add(new StepInFlight(_forward.InputBytes, _forward.MaxDraws));
            _forward.WarmUp(_steps[0].Inputs);
            _memory.Trim();
            _pool = owned.Add(
                new CudaKvPool(options.Ordinal, KvCacheShape.Of(model.Config), PoolSize(model), model.Dtype));
            _forward.Use(_pool);
            _graphs = owned.Add(new DecodeGraphs(_stream));
            if (options.UsesGraphs)
            {
                foreach (var rows in BatchLadder.Sizes(options.MaxNumSeqs))
                    _graphs.Record(rows, () => _forward.QueueDecode(rows));
            }

            _stream.Synchronize();
            owned.Keep();
        }
        catch (DeviceException cause) when (cause is CudaException or CudaLibraryException)
        {
            throw Fault(cause, "cannot be prepared");
        }
    }

    /// <summary>Refuses a model that the device can't run. Allocates nothing.</summary>
    /// <exception cref="UnsupportedModelException">The kernels don't support the model.</exception>
    /// <exception cref="UnsupportedDeviceException">The device lacks what the kernels need.</exception>
    /// <exception cref="LibTorchException">There is no driver.</exception>
    /// <exception cref="CudaException">There is no such device.</exception>
    public static void RequireSupported(ModelConfig config, int ordinal, int blockSize, torch.ScalarType dtype)
    {
        var shape = KernelShape.Of(KvCacheShape.Of(config), blockSize, dtype); // the model first: it needs no device
        using var context = CudaContext.Open(ordinal);
        KernelLibrary.RequireSupported(context.Info, shape);
        RmsNormKernel.RequireSupported(context.Info, config.HiddenSize);
    }

    public KvCacheGeometry Geometry => _pool.Geometry;

    public PolicyVersion Version { get; private set; }

    public int VocabularySize => _weights.Model.Config.VocabSize;

    public int MaxCopies => _forward.MaxCopies;

    public int MaxStepsUnderWay => MostUnderWay;

    /// <summary>Recorded decode steps.</summary>
    internal int GraphCount => _graphs.Count;

    /// <summary>Matrix products with a chosen algorithm.</summary>
    internal int ProductCount => _forward.ProductCount;

    /// <summary>Bytes of the KV pool.</summary>
    internal long PoolBytes => _pool.Bytes;

    /// <exception cref="InvalidOperationException">The runner sleeps, or two steps are running.</exception>
    public void Start(ForwardBatch batch)
    {
        if (_pool.IsAsleep)
            throw new InvalidOperationException("The runner is asleep.");
        if (_started - _finished == MostUnderWay)
            throw new InvalidOperationException($"{MostUnderWay} steps are already started and not finished.");
        var step = _steps[_started % MostUnderWay];
        try
        {
            (step.DrawCount, step.HasFilters) = (batch.DrawCount, batch.HasFilters);
            var packed = _forward.Pack(batch, step.Inputs.Span);
            step.Begin(_stream);
            _forward.QueueInputs(step.Inputs, packed);
            if (packed.IsDecode && _options.UsesGraphs)
                _graphs.Launch(packed.Tokens);
            else
                _forward.Queue(packed);
            _forward.QueueOutputs(step);
            step.End(_stream);
            _started++;
        }
        catch (DeviceException cause)
        {
            throw Fault(cause, $"cannot compute a step of {batch.TokenCount} tokens");
        }
    }

    public StepOutput Finish()
    {
        if (_started == _finished)
            throw new InvalidOperationException("No step is started.");
        var step = _steps[_finished++ % MostUnderWay];
        try
        {
            _output.ForwardTime = step.Wait();
        }
        catch (DeviceException cause)
        {
            throw Fault(cause, "failed in a step");
        }

        step.CopyTo(_output);
        return _output;
    }

    /// <exception cref="InvalidOperationException">The shared weights are of another version.</exception>
    public void LoadWeights(PolicyVersion version)
    {
        var loaded = _weights.Require(version);
        _forward.LoadAdapters();
        Version = loaded;
    }

    public void Sleep()
    {
        if (!_options.SharesDevice)
            return;
        try
        {
            _stream.Synchronize();
            _memory.NotePeak(); // before the pool's memory goes
            _pool.Sleep();
        }
        catch (DeviceException cause)
        {
            throw Fault(cause, "cannot give back the KV pool's memory");
        }
    }

    public void Wake()
    {
        if (!_pool.IsAsleep)
            return;
        try
        {
            _memory.MakeRoom(_pool.Bytes); // of what the trainer's allocator keeps
            _pool.Wake();
        }
        catch (DeviceException cause)
        {
            throw Fault(cause, "cannot take back the KV pool's memory");
        }
    }

    public void Dispose()
    {
        _stream.Settle(); // a running step may still read the pool
        _graphs.Dispose();
        _pool.Dispose();
        foreach (var step in _steps)
            step.Dispose();
        _forward.Dispose();
        _stream.Dispose();
        _memory.Dispose();
        _context.Dispose();
    }

    private KvCacheGeometry PoolSize(CausalLm model)
    {
        if (_options.BlockCount > 0)
            return new KvCacheGeometry(_options.BlockCount, _options.BlockSize);
        var (free, _) = _context.MemoryInfo();
        return CudaKvPool.Fitting(
            KvCacheShape.Of(model.Config),
            model.Dtype,
            _options.BlockSize,
            (long)(free * _options.MemoryUtilization),
            _options.MaxNumSeqs,
            Math.Min(_options.MaxModelLength, model.Config.MaxPositionEmbeddings));
    }

    private DeviceFaultException Fault(DeviceException cause, string what) =>
        DeviceFaultException.Of($"cuda:{_options.Ordinal}", what, cause);
}
