using Rollout.Actors.Protocol;

namespace Rollout.Actors.Placement;

/// <summary>
/// Whether decoders may still come: processes of the decoder role that are up and haven't been heard of, decoders that
/// are being started anew. Where none can come, groups fail at once instead of waiting.
/// </summary>
/// <param name="patience">How long groups wait without any decoder.</param>
public sealed class DecoderWatch(TimeSpan patience)
{
    private readonly HashSet<HostId> _unheard = [];
    private readonly HashSet<HostId> _hosts = [];
    private readonly HashSet<DecoderId> _present = [];
    private readonly HashSet<DecoderId> _returning = [];
    private TimeSpan? _without;
    private bool _isMembershipKnown;

    /// <summary>Every process of the decoder role that is up has been heard of.</summary>
    public bool AllHeard => _isMembershipKnown && _unheard.Count == 0;

    /// <summary>What became of the decoder that was lost last.</summary>
    public string? LastLoss { get; private set; }

    /// <summary>Why no decoder will come; null while one is there or may come.</summary>
    public string? NobodyLeft { get; private set; }

    /// <summary>These processes are up, and will have decoders.</summary>
    public void HostsUp(IEnumerable<HostId> hosts)
    {
        _isMembershipKnown = true;
        foreach (var host in hosts)
        {
            if (!_hosts.Add(host) || _present.Any(id => id.Host == host))
                continue;
            _unheard.Add(host);
            NobodyLeft = null;
        }
    }

    /// <summary>A decoder is there.</summary>
    public void Heard(DecoderId id)
    {
        _present.Add(id);
        _returning.Remove(id);
        _unheard.Remove(id.Host);
        NobodyLeft = null;
    }

    /// <summary>An incarnation of a decoder has ended.</summary>
    public void Lost(DecoderLost lost)
    {
        _present.Remove(lost.Id);
        _unheard.Remove(lost.Id.Host);
        LastLoss = $"the last one was {lost.Id}: {lost.Reason}";
        if (lost.ComesBack)
            _returning.Add(lost.Id);
        else
            _returning.Remove(lost.Id);
        if (_present.Count + _returning.Count + _unheard.Count == 0)
            NobodyLeft = $"no decoder is left; {LastLoss}";
    }

    /// <summary>A host has left or died. Another one may take its place: groups wait for it.</summary>
    public void Lost(HostId host)
    {
        _hosts.Remove(host);
        _unheard.Remove(host);
        _returning.RemoveWhere(id => id.Host == host);
        foreach (var id in _present.Where(id => id.Host == host).ToArray())
        {
            _present.Remove(id);
            LastLoss = $"the last one was {id}, whose host left or died";
        }
    }

    /// <summary>To be asked every second or so: why groups have waited long enough, when they have.</summary>
    public string? TooLongWithout(int decoders, TimeSpan now)
    {
        if (decoders > 0)
        {
            _without = null;
            return null;
        }
        _without ??= now;
        if (now - _without < patience)
            return null;
        _without = now;
        return $"there has been no decoder for {patience}; {LastLoss ?? "none has joined"}";
    }
}
