using Akka.Actor;
using Rollout.Actors.Placement;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Scheduling;

/// <summary>
/// The scheduler's talk with clients: whoever submitted a group last has its answer, those that were sent away hear when
/// there is room again, and one that stops is noticed. Used inside the scheduler's actor alone.
/// </summary>
/// <param name="epoch">The scheduler's.</param>
/// <param name="watch">The scheduler's context: it gets a <see cref="Terminated"/> for each client that is gone.</param>
internal sealed class ClientDesk(SchedulerEpoch epoch, ICanWatch watch)
{
    /// <summary>Tokens of one answer's samples at most, but for a single longer one.</summary>
    private const int AnsweredTokens = 65_536;

    /// <summary>Groups of one question at most.</summary>
    private const int AskedAtOnce = 1024;

    private readonly ClientRoster _roster = new();

    /// <summary>A client wants a group.</summary>
    public void Add(GroupId group, IActorRef client)
    {
        if (_roster.Add(group, client) && !client.IsNobody())
            watch.Watch(client);
    }

    /// <summary>Nobody wants this group any more.</summary>
    public void Remove(GroupId group)
    {
        if (_roster.Remove(group) is { } client && !client.IsNobody())
            watch.Unwatch(client);
    }

    /// <summary>A client is gone. Gives the groups that nobody wants any more.</summary>
    public IReadOnlyCollection<GroupId> Remove(IActorRef client) => _roster.Remove(client);

    /// <summary>A group that nobody can finish, told to whoever submits it.</summary>
    public void GiveUp(IActorRef client, GroupId group, string reason) =>
        client.Tell(new GroupGivenUp(epoch, group, reason));

    /// <summary>Enough is waiting: the client keeps the group, and offers it again.</summary>
    public void SendAway(IActorRef client, GroupId group)
    {
        _roster.SendAway(client);
        client.Tell(new NoRoom(epoch, group));
    }

    /// <summary>Those that were sent away may come again, where there is room.</summary>
    public void CallBack(bool hasAmpleRoom)
    {
        if (!_roster.AnySentAway || !hasAmpleRoom)
            return;
        foreach (var client in _roster.TakeSentAway())
            client.Tell(new RoomAgain(epoch));
    }

    /// <summary>These groups' outcomes were not acknowledged: their clients are asked whether they have them.</summary>
    public void AskAfter(IEnumerable<RolloutGroup> ended)
    {
        foreach (var asked in ended.GroupBy(group => _roster.Of(group.Id)))
        {
            foreach (var groups in asked.Select(group => group.Id).Chunk(AskedAtOnce))
                asked.Key?.Tell(new OutcomesKept(epoch, groups));
        }
    }

    /// <summary>A group has ended: its client, if it has one, is told how.</summary>
    public void Answer(RolloutGroup group)
    {
        if (_roster.Of(group.Id) is not { } client)
            return;
        if (group.Outcome is GroupFailed failed)
        {
            GiveUp(client, failed.Id, failed.Reason);
            return;
        }
        var completions = ((GroupFinished)group.Outcome!).Completions;
        for (var start = 0; start < completions.Length;)
        {
            var (end, tokens) = (start, 0L);
            do
                tokens += completions[end++].Tokens.Length;
            while (end < completions.Length && tokens + completions[end].Tokens.Length <= AnsweredTokens);
            client.Tell(new CompletionsReady(epoch, group.Id, completions.Length, completions[start..end]));
            start = end;
        }
    }
}
