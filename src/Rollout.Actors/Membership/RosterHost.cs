using Rollout.Actors.Protocol;

namespace Rollout.Actors.Membership;

/// <summary>A decoder in its latest incarnation.</summary>
/// <param name="Incarnation">The latest that is known.</param>
/// <param name="State">Where it stands.</param>
/// <param name="Value">What the roster's owner keeps for it; null unless it is present.</param>
internal sealed record RosterEntry<T>(int Incarnation, Presence State, T? Value)
    where T : class;

/// <summary>One host of a <see cref="Roster{T}"/> and its decoders.</summary>
internal sealed class RosterHost<T>
    where T : class
{
    private readonly Dictionary<DecoderId, RosterEntry<T>> _decoders = [];

    /// <summary>Membership says that it is up.</summary>
    public bool IsUp { get; set; }

    /// <summary>It has left or died.</summary>
    public bool IsGone { get; init; }

    /// <summary>A decoder of it has announced itself.</summary>
    public bool HasSpoken { get; set; }

    /// <summary>Its decoders can't be used.</summary>
    public bool IsRefused { get; set; }

    /// <summary>How many decoders it runs; null if nobody has said so.</summary>
    public int? Size { get; set; }

    public IEnumerable<T> Present => _decoders.Values.Select(entry => entry.Value).OfType<T>();

    public DecoderId? LastPresent => _decoders.Where(entry => entry.Value.Value is not null)
        .Select(entry => (DecoderId?)entry.Key).LastOrDefault();

    /// <summary>
    /// It has decoders that were not heard of: more than are known where it has said how many it runs, or else any.
    /// </summary>
    public bool MayBring =>
        !IsGone && !IsRefused && (Size is { } size ? _decoders.Count < size : IsUp && !HasSpoken);

    public RosterEntry<T>? Find(DecoderId id) => _decoders.GetValueOrDefault(id);

    public bool Has(Presence state) => _decoders.Values.Any(entry => entry.State == state);

    public bool HasOther(DecoderId id) =>
        _decoders.Any(entry => entry.Key != id && entry.Value.State != Presence.Gone);

    public bool Admits(DecoderId id, int incarnation) => Find(id) is not { } known
        || known.Incarnation < incarnation
        || (known.Incarnation == incarnation && known.State == Presence.Present);

    /// <summary>Gives the value that was there before.</summary>
    public T? Set(DecoderId id, int incarnation, Presence state, T? value)
    {
        var before = Find(id)?.Value;
        _decoders[id] = new RosterEntry<T>(incarnation, state, value);
        return before;
    }

    /// <summary>Gives the value that was there.</summary>
    public T? Forget(DecoderId id) => _decoders.Remove(id, out var entry) ? entry.Value : null;
}
