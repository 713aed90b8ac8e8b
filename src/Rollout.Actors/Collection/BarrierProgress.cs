using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Collection;

/// <summary>
/// One phase of a step barrier: who must arrive, who has. Over when every participant has arrived or is gone; what
/// arrives for another policy, twice, or from a stranger changes nothing.
/// </summary>
public sealed class BarrierProgress(Policy policy, IEnumerable<DecoderId> participants)
{
    private readonly HashSet<DecoderId> _missing = [.. participants];

    public Policy Policy { get; } = policy;

    /// <summary>Nobody is waited for.</summary>
    public bool IsOver => _missing.Count == 0;

    /// <summary>Those that are waited for, in a stable order.</summary>
    public IEnumerable<DecoderId> Missing => _missing.OrderBy(id => (id.Host.Address, id.Device));

    /// <summary>A participant has arrived. True when it was waited for.</summary>
    public bool Arrive(DecoderId id, Policy arrivedAt) => arrivedAt == Policy && _missing.Remove(id);

    /// <summary>True for one that is waited for.</summary>
    public bool Awaits(DecoderId id) => _missing.Contains(id);

    /// <summary>A participant is gone and is not waited for any more.</summary>
    public void Leave(DecoderId id) => _missing.Remove(id);
}
