using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Barrier;

/// <summary>
/// One phase of the step barrier: the decoders that it still waits for. It is over when each has arrived or is gone. An
/// arrival for another policy, a second one, or a stranger's changes nothing.
/// </summary>
public sealed class BarrierProgress(Policy policy, IEnumerable<DecoderId> participants)
{
    private readonly HashSet<DecoderId> _missing = [.. participants];

    public Policy Policy { get; } = policy;

    /// <summary>The phase waits for nobody.</summary>
    public bool IsOver => _missing.Count == 0;

    /// <summary>The decoders that the phase waits for, in a stable order.</summary>
    public IEnumerable<DecoderId> Missing => _missing.OrderBy(id => (id.Host.Address, id.Device));

    /// <summary>A decoder has arrived. True when the phase waited for it.</summary>
    public bool Arrive(DecoderId id, Policy arrivedAt) => arrivedAt == Policy && _missing.Remove(id);

    /// <summary>True for a decoder that the phase waits for.</summary>
    public bool Awaits(DecoderId id) => _missing.Contains(id);

    /// <summary>The phase waits no longer for this decoder.</summary>
    public void Leave(DecoderId id) => _missing.Remove(id);
}
