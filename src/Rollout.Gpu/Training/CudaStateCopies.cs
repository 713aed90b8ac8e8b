using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// Copies from and to pinned host memory on two streams of their own, so that both directions and torch's work run beside
/// each other. Events order the work on a slot: load, update, store, next load.
/// </summary>
internal sealed class CudaStateCopies : IStateCopies
{
    private readonly CudaContext _context;
    private readonly CudaStream _loads;
    private readonly CudaStream _stores;
    private readonly CudaEvent[] _loaded;
    private readonly CudaEvent[] _updated;
    private readonly CudaEvent[] _stored;
    private readonly List<PinnedMemory> _memory = [];

    /// <param name="device">The weights' device.</param>
    /// <param name="slots">How many slots there are.</param>
    /// <exception cref="DeviceException">The device fails.</exception>
    public CudaStateCopies(Device device, int slots)
    {
        using var owned = new Owned();
        _context = owned.Add(CudaContext.Open(Math.Max(device.index, 0)));
        (_loads, _stores) = (owned.Add(new CudaStream(_context)), owned.Add(new CudaStream(_context)));
        CudaEvent[] Events() => [.. Enumerable.Range(0, slots).Select(_ => owned.Add(new CudaEvent()))];
        (_loaded, _updated, _stored) = (Events(), Events(), Events());
        owned.Keep();
    }

    /// <exception cref="DeviceFaultException">The machine has too little memory that can be pinned.</exception>
    public Tensor Allocate(long numbers)
    {
        _context.MakeCurrent();
        try
        {
            var memory = new PinnedMemory(numbers * sizeof(float));
            _memory.Add(memory);
            return TorchTensors.At(memory.Pointer, [numbers], ScalarType.Float32, CPU).DetachFromDisposeScope();
        }
        catch (CudaException cause)
        {
            throw new DeviceFaultException(
                $"This machine has too little memory for the optimizer's state that train.offload keeps there: {cause.Message}",
                cause);
        }
    }

    public void Load(int slot, IReadOnlyList<(Tensor Host, Tensor Device)> pairs)
    {
        _context.MakeCurrent();
        _loads.Wait(_stored[slot]); // no wait before the first store
        foreach (var (host, device) in pairs)
            _loads.CopyToDevice(TorchTensors.Pointer(device), TorchTensors.Pointer(host), Bytes(device));
        _loaded[slot].Record(_loads);
    }

    public void Await(int slot) => CudaStream.OfTorch.Wait(_loaded[slot]);

    public void Store(int slot, IReadOnlyList<(Tensor Host, Tensor Device)> pairs)
    {
        _context.MakeCurrent();
        _updated[slot].Record(CudaStream.OfTorch);
        _stores.Wait(_updated[slot]);
        foreach (var (host, device) in pairs)
            _stores.CopyToHost(TorchTensors.Pointer(host), TorchTensors.Pointer(device), Bytes(device));
        _stored[slot].Record(_stores);
    }

    public void Settle()
    {
        _context.MakeCurrent();
        _stores.Synchronize();
        _loads.Synchronize();
    }

    public void Dispose()
    {
        _context.MakeCurrent();
        _stores.Settle();
        _loads.Settle();
        foreach (var made in _loaded.Concat(_updated).Concat(_stored))
            made.Dispose();
        _memory.ForEach(memory => memory.Dispose());
        _stores.Dispose();
        _loads.Dispose();
        _context.Dispose();
    }

    private static long Bytes(Tensor numbers) => numbers.numel() * sizeof(float);
}
