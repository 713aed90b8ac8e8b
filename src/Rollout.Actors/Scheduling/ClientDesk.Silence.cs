using Akka.Actor;
using Rollout.Actors.Placement;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Scheduling;

// Clients that are gone, want a group no more, or say nothing where they were asked.
internal sealed partial class ClientDesk
{
    /// <summary>Drops groups that no client wants.</summary>
    public void Cancel(IReadOnlyCollection<GroupId> groups)
    {
        foreach (var id in groups)
        {
            book.Cancel(id);
            _roster.Remove(id);
        }
    }

    /// <summary>Cancels the groups of a client that has stopped.</summary>
    public void CancelAllOf(IActorRef client) => Cancel(_roster.Remove(client));

    /// <summary>Asks clients whether they have outcomes that they have not acknowledged.</summary>
    public void AskAfter(IEnumerable<RolloutGroup> ended)
    {
        foreach (var (client, groups) in GroupIds(ended.Select(group => group.Id)))
            client.Tell(new OutcomesKept(epoch, groups));
    }

    /// <summary>Takes their places from clients that were called and have sent nothing.</summary>
    public void DropLate()
    {
        foreach (var id in book.DropLate())
            _roster.Remove(id);
    }
}
