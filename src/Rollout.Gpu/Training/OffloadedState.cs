using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>How an optimizer's state outside of the device comes to it.</summary>
/// <param name="ChunkNumbers">Numbers of each kind that come at once, 64 MiB by default.</param>
/// <param name="Slots">Chunks on the device at once: while one is updated, others come and go.</param>
internal sealed record OffloadPlan(long ChunkNumbers = 1 << 24, int Slots = 3)
{
    /// <summary>Makes what copies, for so many slots; null takes what fits the device.</summary>
    public Func<int, IStateCopies>? Copies { get; init; }

    /// <summary>Device bytes of the slots.</summary>
    /// <param name="numbers">Numbers of all parameters.</param>
    /// <param name="kinds">Moments and masters.</param>
    public decimal SlotBytes(decimal numbers, int kinds) => Math.Min(Slots * (decimal)ChunkNumbers, numbers) * kinds * sizeof(float);
}

/// <summary>
/// The optimizer's state in host memory: moments, and the master copies of narrow parameters. It comes to the device in
/// chunks, is updated there, and goes back (Ren et al. 2021, arXiv 2101.06840, who update in the host). The first chunks of
/// an update come while the passes before it compute, and the last ones go while those after it do. The numbers are those of
/// an update without it.
/// </summary>
internal sealed class OffloadedState : IAdamWState
{
    private readonly IReadOnlyList<OptimizedParameter> _parameters;
    private readonly StateLayout _layout;
    private readonly IStateCopies _copies;
    private readonly int _slots;
    private readonly Tensor[] _host;     // mean, square and, of narrow parameters, master: [numbers] float32
    private readonly Tensor[][] _device; // the same of each slot: [chunk]
    private bool _isLoaded;              // the first chunks are on the device

    /// <param name="parameters">What the optimizer changes: float32 or narrower, on one device.</param>
    /// <param name="plan">Sizes.</param>
    /// <exception cref="DeviceException">There is too little memory, or the device fails.</exception>
    public OffloadedState(IReadOnlyList<OptimizedParameter> parameters, OffloadPlan plan)
    {
        _parameters = parameters;
        _layout = new StateLayout([.. parameters.Select(parameter => parameter.Value.numel())], plan.ChunkNumbers);
        _slots = Math.Min(plan.Slots, _layout.ChunkCount);
        var device = parameters[0].Value.device;
        var kinds = parameters.Any(parameter => AdamW.IsNarrow(parameter.Value)) ? 3 : 2;
        _copies = plan.Copies?.Invoke(_slots)
            ?? (device.type == DeviceType.CUDA ? new CudaStateCopies(device, _slots) : new HostCopies());
        try
        {
            _host = [.. Enumerable.Range(0, kinds).Select(_ => _copies.Allocate(_layout.Numbers))];
            var slot = Math.Min(_layout.ChunkNumbers, _layout.Numbers);
            Tensor OnDevice() => empty(slot, ScalarType.Float32, device).DetachFromDisposeScope();
            _device = [.. Enumerable.Range(0, _slots).Select(_ => _host.Select(_ => OnDevice()).ToArray())];
        }
        catch
        {
            _copies.Dispose();
            throw;
        }

        using var scope = NewDisposeScope();
        for (var i = 0; i < parameters.Count; i++)
        {
            if (AdamW.IsNarrow(parameters[i].Value))
                Master(i).copy_(parameters[i].Value);
        }
        if (device.type == DeviceType.CUDA)
            TorchTensors.Synchronize(device); // what queued work frees may be the memory of a slot
    }

    public int ChunkCount => _layout.ChunkCount;

    public Tensor Mean(int parameter) => OfParameter(_host[0], parameter);

    public Tensor Square(int parameter) => OfParameter(_host[1], parameter);

    public Tensor Master(int parameter)
    {
        var weight = _parameters[parameter].Value;
        return AdamW.IsNarrow(weight) ? OfParameter(_host[2], parameter) : weight.detach();
    }

    public IEnumerable<(int Parameter, AdamWPart Part)> PartsOf(int chunk, Func<int, Tensor?> gradient)
    {
        var slot = _device[chunk % _slots];
        foreach (var span in _layout.SpansOf(chunk))
        {
            var (_, value, decays) = _parameters[span.Parameter];
            if (gradient(span.Parameter) is not { } sum)
                continue;
            Tensor Part(Tensor whole) => whole.detach().view(-1).narrow(0, span.Start, span.Count);
            Tensor State(int kind) => slot[kind].narrow(0, span.Offset, span.Count);
            var weight = Part(value);
            var master = AdamW.IsNarrow(value) ? State(2) : weight;
            yield return (span.Parameter, new AdamWPart(weight, master, State(0), State(1), Part(sum), decays));
        }
    }

    public void ForEachChunk(Action<int> update)
    {
        using var scope = NewDisposeScope();
        if (!_isLoaded)
        {
            for (var chunk = 0; chunk < _slots; chunk++)
                _copies.Load(chunk, Pairs(chunk));
        }
        _isLoaded = false;
        for (var chunk = 0; chunk < ChunkCount; chunk++)
        {
            var slot = chunk % _slots;
            _copies.Await(slot);
            update(chunk);
            _copies.Store(slot, Pairs(chunk));
            // The slot's next chunk; after the last one, its first for the next update.
            _copies.Load(slot, Pairs(chunk + _slots < ChunkCount ? chunk + _slots : slot));
        }
        _isLoaded = true;
    }

    public void Settle()
    {
        _copies.Settle();
        _isLoaded = false;
    }

    public void Dispose()
    {
        _copies.Settle();
        foreach (var tensor in _host.Concat(_device.SelectMany(slot => slot)))
            tensor.Dispose();
        _copies.Dispose();
    }

    private Tensor OfParameter(Tensor row, int parameter)
    {
        var shape = _parameters[parameter].Value;
        return row.narrow(0, _layout.OffsetOf(parameter), shape.numel()).view(shape.shape);
    }

    private (Tensor Host, Tensor Device)[] Pairs(int chunk)
    {
        var size = _layout.SizeOf(chunk);
        return
        [
            .. _host.Zip(_device[chunk % _slots], (host, device) =>
                (host.narrow(0, chunk * _layout.ChunkNumbers, size), device.narrow(0, 0, size))),
        ];
    }
}
