using Rollout.Actors.Protocol;

namespace Rollout.Actors.Placement;

/// <summary>
/// Whether decoders may still come: those of processes of the decoder role that are up and haven't been heard of, and
/// those that are being started anew. Where none can come, groups fail at once instead of waiting.
/// </summary>
/// <param name="isMembershipKnown">No word of hosts will come: there are those of the decoders that speak.</param>
public sealed class DecoderWatch(bool isMembershipKnown)
{
    private readonly HashSet<HostId> _hosts = [];
    private readonly HashSet<HostId> _gone = [];
    private readonly HashSet<HostId> _heard = [];                   // a decoder of them has been there, or was refused
    private readonly HashSet<HostId> _refused = [];
    private readonly Dictionary<HostId, int> _decodersOf = [];      // where it is known how many they run
    private readonly HashSet<DecoderId> _present = [];
    private readonly HashSet<DecoderId> _returning = [];
    private readonly HashSet<DecoderId> _lost = [];                 // for good
    private string? _lastFault;
    private bool _isMembershipKnown = isMembershipKnown;

    /// <summary>Every process of the decoder role that is up has been heard of.</summary>
    public bool AllHeard => _isMembershipKnown && _hosts.All(host => _heard.Contains(host) || !MayBring(host));

    /// <summary>A decoder may come that isn't there.</summary>
    public bool MayBringMore => !_isMembershipKnown || _returning.Count > 0 || _hosts.Union(_decodersOf.Keys).Any(MayBring);

    /// <summary>What became of the decoder that was lost last.</summary>
    public string? LastLoss { get; private set; }

    /// <summary>Why no decoder will come; null while one is there or may come.</summary>
    public string? NobodyLeft => _lastFault is not null && _present.Count == 0 && !MayBringMore
        ? $"no decoder is left; {_lastFault}"
        : null;

    /// <summary>These processes are up, and will have decoders.</summary>
    public void HostsUp(IEnumerable<HostId> hosts)
    {
        _isMembershipKnown = true;
        foreach (var host in hosts.Where(host => !_gone.Contains(host)))
            _hosts.Add(host);
    }

    /// <summary>A decoder is there.</summary>
    public void Heard(DecoderId id)
    {
        _heard.Add(id.Host);
        _present.Add(id);
        _returning.Remove(id);
        _lost.Remove(id);
        _lastFault = null;
    }

    /// <summary>A decoder is not taken, and no other one of its process will be.</summary>
    public void Refused(DecoderId id)
    {
        _heard.Add(id.Host);
        _refused.Add(id.Host);
        _present.Remove(id);
        _returning.Remove(id);
    }

    /// <summary>An incarnation of a decoder has ended.</summary>
    public void Lost(DecoderLost lost)
    {
        if (_gone.Contains(lost.Id.Host))
            return;
        if (lost.DecodersOfHost > 0)
            _decodersOf[lost.Id.Host] = lost.DecodersOfHost;
        _present.Remove(lost.Id);
        _returning.Remove(lost.Id);
        (lost.ComesBack ? _returning : _lost).Add(lost.Id);
        LastLoss = _lastFault = $"the last one was {lost.Id}: {lost.Reason}";
    }

    /// <summary>A host has left or died. Another one may take its place: groups wait for it.</summary>
    public void Lost(HostId host)
    {
        if (_present.Concat(_returning).Any(id => id.Host == host) || (_hosts.Contains(host) && MayBring(host)))
            _lastFault = null;
        _gone.Add(host);
        _hosts.Remove(host);
        _heard.Remove(host);
        _refused.Remove(host);
        _decodersOf.Remove(host);
        _returning.RemoveWhere(id => id.Host == host);
        _lost.RemoveWhere(id => id.Host == host);
        foreach (var id in _present.Where(id => id.Host == host).ToArray())
        {
            _present.Remove(id);
            LastLoss = $"the last one was {id}, whose host left or died";
        }
    }

    /// <summary>
    /// A process has decoders that weren't heard of: all of them, or as many as it runs less those that are there, come
    /// back or are lost.
    /// </summary>
    private bool MayBring(HostId host) => !_refused.Contains(host)
        && (_decodersOf.TryGetValue(host, out var all)
            ? _present.Concat(_returning).Concat(_lost).Count(id => id.Host == host) < all
            : !_heard.Contains(host));
}
