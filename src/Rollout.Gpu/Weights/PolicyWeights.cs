using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;

namespace Rollout.Gpu.Weights;

/// <summary>
/// The one set of weights that the trainer and the decoders of a process share. The trainer changes the
/// tensors in place while the decoders are parked, then publishes the version; a decoder reads the version on
/// its own thread.
/// </summary>
public sealed class PolicyWeights(CausalLm model, PolicyVersion version) : IDisposable
{
    private int _version = version.Value;

    /// <summary>The module whose parameters are the policy. Disposed with this object.</summary>
    public CausalLm Model { get; } = model;

    /// <summary>The version published last; safe to read from any thread.</summary>
    public PolicyVersion Version => new(Volatile.Read(ref _version));

    /// <summary>
    /// Declares the tensors, as they are now, to be this version. Versions only go forward.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">This version, or a later one, was already
    /// published.</exception>
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
    /// Declares the tensors, as they are now, to be this version of some trainer's run, which may be smaller than
    /// the last one's.
    /// </summary>
    public void Adopt(PolicyVersion version) => Volatile.Write(ref _version, version.Value);

    public void Dispose() => Model.Dispose();
}
