using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Collection;

/// <summary>
/// One phase of a step barrier: who must arrive, who has. Over when every participant has arrived or is gone; what
/// arrives for another version, twice, or from a stranger changes nothing.
/// </summary>
public sealed class BarrierProgress(PolicyVersion version, IEnumerable<DecoderId> participants)
{
    private readonly HashSet<DecoderId> _missing = [.. participants];

    public PolicyVersion Version { get; } = version;

    /// <summary>Nobody is waited for.</summary>
    public bool IsOver => _missing.Count == 0;

    /// <summary>Those that are waited for, in a stable order.</summary>
    public IEnumerable<DecoderId> Missing => _missing.OrderBy(id => (id.Host.Address, id.Device));

    /// <summary>A participant has arrived. True when it was waited for.</summary>
    public bool Arrive(DecoderId id, PolicyVersion arrivedAt) => arrivedAt == Version && _missing.Remove(id);

    /// <summary>A participant is gone and is not waited for any more.</summary>
    public void Leave(DecoderId id) => _missing.Remove(id);
}
