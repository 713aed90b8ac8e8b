using Akka.Actor;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Scheduling;

/// <summary>Who wants which groups. A group's answer goes to whoever submitted it last.</summary>
internal sealed class ClientRoster
{
    private readonly Dictionary<GroupId, IActorRef> _clients = [];
    private readonly Dictionary<IActorRef, HashSet<GroupId>> _groups = [];
    private readonly HashSet<IActorRef> _sentAway = [];

    /// <summary>Some were told that there is no room.</summary>
    public bool AnySentAway => _sentAway.Count > 0;

    /// <summary>A client wants a group. True for a client that had none.</summary>
    public bool Add(GroupId group, IActorRef client)
    {
        if (_clients.TryGetValue(group, out var before) && !before.Equals(client))
            Remove(group);
        _clients[group] = client;
        if (_groups.TryGetValue(client, out var groups))
        {
            groups.Add(group);
            return false;
        }
        _groups.Add(client, [group]);
        return true;
    }

    public IActorRef? Of(GroupId group) => _clients.GetValueOrDefault(group);

    /// <summary>Nobody wants this group any more. Gives the client that has no other left.</summary>
    public IActorRef? Remove(GroupId group)
    {
        if (!_clients.Remove(group, out var client) || !_groups[client].Remove(group) || _groups[client].Count > 0)
            return null;
        _groups.Remove(client);
        return client;
    }

    /// <summary>A client is gone. Gives the groups that nobody wants any more.</summary>
    public IReadOnlyCollection<GroupId> Remove(IActorRef client)
    {
        _sentAway.Remove(client);
        if (!_groups.Remove(client, out var groups))
            return [];
        foreach (var group in groups)
            _clients.Remove(group);
        return groups;
    }

    /// <summary>A client was told that there is no room.</summary>
    public void SendAway(IActorRef client) => _sentAway.Add(client);

    /// <summary>Those that were told so since the last call.</summary>
    public IReadOnlyCollection<IActorRef> TakeSentAway()
    {
        IActorRef[] taken = [.. _sentAway];
        _sentAway.Clear();
        return taken;
    }
}
