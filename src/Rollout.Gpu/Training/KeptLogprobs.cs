using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// What later iterations over a batch need of the first one, on the device, one [targets] tensor a
/// micro-batch.
/// </summary>
/// <param name="microBatches">Micro-batches of the batch.</param>
/// <param name="keepsOld">There are later iterations.</param>
internal sealed class KeptLogprobs(int microBatches, bool keepsOld) : IDisposable
{
    private readonly Tensor?[] _old = new Tensor?[microBatches];
    private readonly Tensor?[] _reference = new Tensor?[microBatches];

    /// <summary>log π_old, or null in the first iteration, when it is log π.</summary>
    public Tensor? OldOf(int microBatch) => _old[microBatch];

    /// <summary>Keeps log π of the first iteration, given in chunks, if it will be asked for.</summary>
    public void KeepOld(int microBatch, IReadOnlyList<Tensor> chunks)
    {
        if (keepsOld && _old[microBatch] is null)
            _old[microBatch] = cat([.. chunks]).DetachFromDisposeScope();
    }

    /// <summary>log π_ref, computed once.</summary>
    public Tensor ReferenceOf(int microBatch, Func<Tensor> compute) =>
        _reference[microBatch] ??= compute().DetachFromDisposeScope();

    public void Dispose()
    {
        foreach (var kept in _old.Concat(_reference))
            kept?.Dispose();
    }
}
