using Rollout.Actors.Protocol;

namespace Rollout.Actors.Membership;

/// <summary>
/// The record of which decoders are present, returning or gone, and which hosts are expected to bring more. The scheduler
/// and the step barrier each keep one, with a value of their own for every decoder that is present. An incarnation that
/// ended and a host that was lost never come back.
/// </summary>
/// <typeparam name="T">What its owner keeps for a decoder that is present.</typeparam>
/// <param name="knowsHosts">False while <see cref="ExpectHosts"/> is still to say which hosts are up.</param>
public sealed class Roster<T>(bool knowsHosts)
    where T : class
{
    private readonly Dictionary<HostId, RosterHost<T>> _hosts = [];
    private bool _knowsHosts = knowsHosts;
    private string? _lastFault;

    /// <summary>Decoders that are present.</summary>
    public int Count { get; private set; }

    /// <summary>The values of all decoders that are present.</summary>
    public IEnumerable<T> Present => _hosts.Values.SelectMany(host => host.Present);

    /// <summary>A decoder is present or returning.</summary>
    public bool HasAny => Count > 0 || _hosts.Values.Any(host => host.Has(Presence.Returning));

    /// <summary>Every host that is up has announced a decoder, or can bring none.</summary>
    public bool AllHeard => _knowsHosts && _hosts.Values.All(host => !host.IsUp || host.HasSpoken || !host.MayBring);

    /// <summary>A decoder may still come that is not present.</summary>
    public bool MayBringMore =>
        !_knowsHosts || _hosts.Values.Any(host => host.Has(Presence.Returning) || host.MayBring);

    /// <summary>What became of the decoder that was lost last; null before the first loss.</summary>
    public string? LastLoss { get; private set; }

    /// <summary>Why no decoder will come, as a sentence; null while one is present or may come.</summary>
    public string? NobodyLeft =>
        _lastFault is not null && Count == 0 && !MayBringMore ? $"no decoder is left; {_lastFault}" : null;

    /// <summary>The value of a decoder that is present; null for any other.</summary>
    public T? Find(DecoderId id) => EntryOf(id)?.Value;

    /// <summary>A decoder other than this one is present or returning.</summary>
    public bool HasOther(DecoderId id) => _hosts.Values.Any(host => host.HasOther(id));

    /// <summary>False for an incarnation that has ended or has a successor, and for a decoder of a lost host.</summary>
    public bool Admits(DecoderId id, int incarnation) =>
        !_hosts.TryGetValue(id.Host, out var host) || (!host.IsGone && host.Admits(id, incarnation));

    /// <summary>These hosts are up, and each will bring a decoder.</summary>
    public void ExpectHosts(IEnumerable<HostId> hosts)
    {
        _knowsHosts = true;
        foreach (var host in hosts.Select(HostOf))
            host.IsUp = !host.IsGone;
    }

    /// <summary>An incarnation is present from now on, in place of an earlier one. To be called where it is admitted.</summary>
    public void Admit(DecoderId id, int incarnation, T value)
    {
        var host = HostOf(id.Host);
        (host.HasSpoken, host.IsRefused) = (true, false);
        Count += host.Set(id, incarnation, Presence.Present, value) is null ? 1 : 0;
        _lastFault = null;
    }

    /// <summary>A decoder that announced itself can't be used, and no other one of its host is expected to be.</summary>
    public void Refuse(DecoderId id)
    {
        var host = HostOf(id.Host);
        (host.HasSpoken, host.IsRefused) = (true, true);
        if (host.Find(id) is { State: Presence.Returning })
            host.Forget(id);
    }

    /// <summary>A decoder that was present can't be used any more, nor can its host's other ones.</summary>
    public void Expel(DecoderId id)
    {
        var host = HostOf(id.Host);
        host.IsRefused = true;
        Count -= host.Forget(id) is null ? 0 : 1;
    }

    /// <summary>An incarnation has ended. Gives the value that was kept for it; null if it was not present.</summary>
    public T? RecordLoss(DecoderLost lost)
    {
        var host = HostOf(lost.Id.Host);
        if (host.IsGone)
            return null;
        if (lost.DecodersOfHost > 0)
            host.Size = lost.DecodersOfHost;
        if (host.Find(lost.Id)?.Incarnation > lost.Incarnation)
            return null;
        var value = host.Set(lost.Id, lost.Incarnation, lost.ComesBack ? Presence.Returning : Presence.Gone, null);
        Count -= value is null ? 0 : 1;
        LastLoss = _lastFault = $"the last one was {lost.Id}: {lost.Reason}";
        return value;
    }

    /// <summary>
    /// A host has left or died. Gives the values of its decoders that were present. Where it had decoders, or might have
    /// brought some, another host may take its place: nothing that was lost before is final.
    /// </summary>
    public IReadOnlyList<T> RecordHostLoss(HostId id)
    {
        var host = HostOf(id);
        if (host.Has(Presence.Present) || host.Has(Presence.Returning) || (host.IsUp && host.MayBring))
            _lastFault = null;
        if (host.LastPresent is { } last)
            LastLoss = $"the last one was {last}, whose host left or died";
        T[] lost = [.. host.Present];
        Count -= lost.Length;
        _hosts[id] = new RosterHost<T> { IsGone = true };
        return lost;
    }

    private RosterEntry<T>? EntryOf(DecoderId id) => _hosts.TryGetValue(id.Host, out var host) ? host.Find(id) : null;

    private RosterHost<T> HostOf(HostId id)
    {
        if (!_hosts.TryGetValue(id, out var host))
            _hosts.Add(id, host = new RosterHost<T>());
        return host;
    }
}
