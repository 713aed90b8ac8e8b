using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// Log-probabilities that later iterations over a batch need from the first one: on the device, one [targets] tensor a
/// micro-batch.
/// </summary>
/// <param name="microBatches">Micro-batches of the batch.</param>
/// <param name="keepsOld">True where there are later iterations.</param>
internal sealed class KeptLogprobs(int microBatches, bool keepsOld) : IDisposable
{
    private readonly Tensor?[] _old = new Tensor?[microBatches];
    private readonly Tensor?[] _reference = new Tensor?[microBatches];

    /// <summary>log π_old; null in the first iteration, where it equals log π.</summary>
    public Tensor? OldOf(int microBatch) => _old[microBatch];

    /// <summary>Keeps log π of the first iteration, given in chunks, where there are later ones.</summary>
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
