using Akka.Actor;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Scheduling;

/// <summary>
/// Which client wants which groups, and a watch on each client that wants some. A group's answer goes to the client that
/// submitted it last.
/// </summary>
/// <param name="watch">The scheduler's context: it gets a <see cref="Terminated"/> for each client that is gone.</param>
internal sealed class ClientRoster(ICanWatch watch)
{
    private readonly Dictionary<GroupId, IActorRef> _clients = [];
    private readonly Dictionary<IActorRef, HashSet<GroupId>> _groups = [];

    /// <summary>Adds a group that a client wants.</summary>
    public void Add(GroupId group, IActorRef client)
    {
        if (_clients.TryGetValue(group, out var before) && !before.Equals(client))
            Remove(group);
        _clients[group] = client;
        if (_groups.TryGetValue(client, out var groups))
        {
            groups.Add(group);
            return;
        }
        _groups.Add(client, [group]);
        if (!client.IsNobody())
            watch.Watch(client);
    }

    /// <summary>The client that wants a group.</summary>
    public IActorRef? Of(GroupId group) => _clients.GetValueOrDefault(group);

    /// <summary>Removes a group that nobody wants.</summary>
    public void Remove(GroupId group)
    {
        if (!_clients.Remove(group, out var client) || !_groups[client].Remove(group) || _groups[client].Count > 0)
            return;
        _groups.Remove(client);
        if (!client.IsNobody())
            watch.Unwatch(client);
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
