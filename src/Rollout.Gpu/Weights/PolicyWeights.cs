using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;

namespace Rollout.Gpu.Weights;

/// <summary>
/// The one set of weights that the trainer and the decoders of a process share. The trainer changes the tensors in
/// place while the decoders are parked, then publishes the version, which decoders read on their own threads.
/// </summary>
public sealed class PolicyWeights(CausalLm model, PolicyVersion version) : IDisposable
{
    private int _version = version.Value;

    /// <summary>The model whose parameters are the policy. Disposed with this object.</summary>
    public CausalLm Model { get; } = model;

    /// <summary>The version published last. Any thread may read it.</summary>
    public PolicyVersion Version => new(Volatile.Read(ref _version));

    /// <summary>The version, if it is the one that was published last.</summary>
    /// <exception cref="InvalidOperationException">Another one was.</exception>
    public PolicyVersion Require(PolicyVersion version) => version == Version
        ? version
        : throw new InvalidOperationException($"Asked to load {version}, but the weights published are {Version}.");

    /// <summary>Declares the present tensors to be this version. Versions only increase.</summary>
    /// <exception cref="ArgumentOutOfRangeException">This version, or a later one, is already published.</exception>
    public void Publish(PolicyVersion next)
    {
        var current = Volatile.Read(ref _version);
        if (next.Value <= current
            || Interlocked.CompareExchange(ref _version, next.Value, current) != current)
        {
            throw new ArgumentOutOfRangeException(
                nameof(next), next.Value,
                $"{next} can't be published after policy {Volatile.Read(ref _version)}");
        }
    }

    /// <summary>
    /// Declares the present tensors to be this version of a trainer's run. It may be lower than the last version,
    /// which may be another run's.
    /// </summary>
    public void Adopt(PolicyVersion version) => Volatile.Write(ref _version, version.Value);

    public void Dispose() => Model.Dispose();
}
