using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// Memory for numbers in the host, and copies between it and slots on a device, which may run beside the device's other
/// work.
/// </summary>
internal interface IStateCopies : IDisposable
{
    /// <summary>
    /// [numbers] float32 zeros in host memory that the device can copy. The tensor is the caller's, its memory lives no
    /// longer than this.
    /// </summary>
    Tensor Allocate(long numbers);

    /// <summary>Begins to fill a slot from the host, once everything that was stored from it before is in the host.</summary>
    void Load(int slot, IReadOnlyList<(Tensor Host, Tensor Device)> pairs);

    /// <summary>The device's work from here on finds what <see cref="Load"/> brings.</summary>
    void Await(int slot);

    /// <summary>Begins to copy what the device's work so far leaves in a slot to the host, in the order of these calls.</summary>
    void Store(int slot, IReadOnlyList<(Tensor Host, Tensor Device)> pairs);

    /// <summary>Waits until all copies are done.</summary>
    void Settle();
}

/// <summary>Copies within the host, done at once.</summary>
internal sealed class HostCopies : IStateCopies
{
    public Tensor Allocate(long numbers) => zeros(numbers, ScalarType.Float32).DetachFromDisposeScope();

    public void Load(int slot, IReadOnlyList<(Tensor Host, Tensor Device)> pairs)
    {
        foreach (var (host, device) in pairs)
            device.copy_(host);
    }

    public void Await(int slot)
    {
    }

    public void Store(int slot, IReadOnlyList<(Tensor Host, Tensor Device)> pairs)
    {
        foreach (var (host, device) in pairs)
            host.copy_(device);
    }

    public void Settle()
    {
    }

    public void Dispose()
    {
    }
}
