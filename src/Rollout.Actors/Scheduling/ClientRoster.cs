using Akka.Actor;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Scheduling;

/// <summary>Which client wants which groups. A group's answer goes to the client that submitted it last.</summary>
internal sealed class ClientRoster
{
    private readonly Dictionary<GroupId, IActorRef> _clients = [];
    private readonly Dictionary<IActorRef, HashSet<GroupId>> _groups = [];

    /// <summary>Adds a group that a client wants. True for a client that had none.</summary>
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

    /// <summary>The client that wants a group.</summary>
    public IActorRef? Of(GroupId group) => _clients.GetValueOrDefault(group);

    /// <summary>Removes a group that nobody wants. Returns its client if that has no other left.</summary>
    public IActorRef? Remove(GroupId group)
    {
        if (!_clients.Remove(group, out var client) || !_groups[client].Remove(group) || _groups[client].Count > 0)
            return null;
        _groups.Remove(client);
        return client;
    }

    /// <summary>Removes a client. Returns the groups that no client wants.</summary>
    public IReadOnlyCollection<GroupId> Remove(IActorRef client)
    {
        if (!_groups.Remove(client, out var groups))
            return [];
        foreach (var group in groups)
            _clients.Remove(group);
        return groups;
    }
}
