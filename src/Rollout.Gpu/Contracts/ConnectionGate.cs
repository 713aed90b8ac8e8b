using System.Net;

namespace Rollout.Gpu.Contracts;

/// <summary>How many connections a port keeps open.</summary>
/// <param name="Peers">Connections that have shown whose they are.</param>
/// <param name="PeersOfAddress">The same, of one address.</param>
/// <param name="Strangers">Connections that have not.</param>
/// <param name="StrangersOfAddress">The same, of one address.</param>
public sealed record ConnectionLimits(int Peers, int PeersOfAddress, int Strangers, int StrangersOfAddress);

/// <summary>
/// Decides which connections a port keeps: used by the weight server and by the cluster's port. A connection is a stranger's
/// until it has shown whose it is. Strangers never take a peer's place: where too many are open, the oldest one makes room for
/// the next, first among those of the same address. Safe from any thread.
/// </summary>
/// <param name="limits">How many there may be.</param>
/// <param name="time">The clock of the warnings.</param>
/// <param name="warn">Told, once a minute at most, how many connections were turned away so far.</param>
public sealed class ConnectionGate(ConnectionLimits limits, TimeProvider time, Action<long> warn)
{
    private readonly Lock _gate = new();
    private readonly LinkedList<Guest> _strangers = [];     // the oldest first
    private readonly HashSet<Guest> _peers = [];
    private readonly RareCount _turnedAway = new(time);

    /// <summary>The number of open connections.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
                return _strangers.Count + _peers.Count;
        }
    }

    /// <summary>Connections that ended as strangers without having asked for anything.</summary>
    public long TurnedAway => _turnedAway.Total;

    /// <summary>Lets a stranger in.</summary>
    /// <param name="address">Where it comes from.</param>
    /// <param name="close">Closes its connection; called when it has to make room.</param>
    public Guest Enter(IPAddress address, Action close)
    {
        var guest = new Guest(address, close);
        Guest? oldest;
        bool isWarningDue;
        lock (_gate)
        {
            var ofAddress = _strangers.Where(other => other.Address.Equals(address)).ToArray();
            oldest = ofAddress.Length >= limits.StrangersOfAddress ? ofAddress[0]
                : _strangers.Count >= limits.Strangers ? _strangers.First!.Value
                : null;
            isWarningDue = oldest is not null && Remove(oldest);
            _strangers.AddLast(guest);
        }
        if (isWarningDue)
            warn(TurnedAway);
        oldest?.Close();
        return guest;
    }

    /// <summary>Makes a stranger a peer; false where there are too many peers, or it had to make room meanwhile.</summary>
    public bool TryAdmit(Guest guest)
    {
        lock (_gate)
        {
            return _peers.Count < limits.Peers
                && _peers.Count(peer => peer.Address.Equals(guest.Address)) < limits.PeersOfAddress
                && _strangers.Remove(guest)
                && _peers.Add(guest);
        }
    }

    /// <summary>The guest's connection has ended. May be called again.</summary>
    public void Leave(Guest guest)
    {
        bool isWarningDue;
        lock (_gate)
            isWarningDue = Remove(guest);
        if (isWarningDue)
            warn(TurnedAway);
    }

    /// <summary>Forgets a guest, inside the lock. True when a warning of strangers that were turned away is due.</summary>
    private bool Remove(Guest guest) =>
        !_peers.Remove(guest) && _strangers.Remove(guest) && !guest.HasAsked && _turnedAway.Add();

    /// <summary>One connection.</summary>
    /// <param name="address">Where it comes from.</param>
    /// <param name="close">Closes it.</param>
    public sealed class Guest(IPAddress address, Action close)
    {
        public IPAddress Address { get; } = address;

        /// <summary>It has sent a whole request, though perhaps one that is out of date: it isn't counted as turned away.</summary>
        public bool HasAsked { get; set; }

        internal void Close() => close();
    }
}
