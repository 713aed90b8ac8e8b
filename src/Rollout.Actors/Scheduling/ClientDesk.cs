using Akka.Actor;
using Rollout.Actors.Placement;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Scheduling;

/// <summary>
/// The scheduler's side of the talk with clients: what they submit, offer, cancel and acknowledge goes into the book, and
/// the client that submitted a group last gets its answer. ClientDesk.Silence.cs has clients
/// that are gone or say nothing. Used inside the scheduler's actor alone.
/// </summary>
/// <param name="epoch">The scheduler's epoch.</param>
/// <param name="book">The scheduler's record of groups.</param>
/// <param name="watch">The scheduler's context: it gets a <see cref="Terminated"/> for each client that is gone.</param>
internal sealed partial class ClientDesk(SchedulerEpoch epoch, GroupBook book, ICanWatch watch)
{
    /// <summary>The most tokens of one answer's samples, unless a single one is longer.</summary>
    private const int AnsweredTokens = 65_536;

    /// <summary>The most group ids in one message.</summary>
    private const int GroupsAtOnce = 1024;

    private readonly ClientRoster _roster = new(watch);

    /// <summary>Accepts a group, refuses it with a sentence, or has its client keep it until there is room.</summary>
    public void Submit(SubmitGroup submit, IActorRef client)
    {
        var request = submit.Group;
        if (book.Find(request.Id)?.Request is null
            && (book.WhyRefused(request, submit.Fingerprint) ?? WireLimits.WhyTooLarge(request)) is { } reason)
        {
            Cancel([request.Id]);       // it may have been offered, and called
            GiveUp(client, request.Id, reason);
            return;
        }
        var result = book.Submit(request, submit.RequiredPolicy, submit.Fingerprint);
        _roster.Add(request.Id, client);
        if (result == SubmitResult.NoRoom)
            client.Tell(new NoRoom(epoch, request.Id));
        else if (result == SubmitResult.Ended)
            Answer(book.Find(request.Id)!);
    }

    /// <summary>Answers a client that asks after groups, or offers them, by their ids.</summary>
    public void Offer(OfferGroups offer, IActorRef client)
    {
        var underway = new List<GroupProgress>();
        foreach (var offered in offer.Groups)
        {
            var result = book.Offer(offered);
            _roster.Add(offered.Id, client);
            if (result == SubmitResult.Ended)
                Answer(book.Find(offered.Id)!);
            else if (result == SubmitResult.Accepted)
                underway.Add(new GroupProgress(offered.Id, book.Find(offered.Id)!.Tokens));
        }
        client.Tell(new GroupsUnderway(epoch, [.. underway]));
    }

    /// <summary>Drops the outcomes that a client has acknowledged.</summary>
    public void Acknowledge(IReadOnlyCollection<GroupId> groups)
    {
        foreach (var id in groups)
        {
            book.Acknowledge(id);
            if (book.Find(id) is null)
                _roster.Remove(id);
        }
    }

    /// <summary>Tells clients of what has grown or ended, and calls groups that there is room for.</summary>
    public void SendAll()
    {
        foreach (var group in book.Groups.TakeGrown())
            Tell(group);
        foreach (var group in book.TakeEnded())
            Answer(group);
        var called = book.TakeCalled();
        if (called.Count == 0)
            return;
        foreach (var (client, groups) in GroupIds(called))
            client.Tell(new SendGroups(epoch, groups));
    }

    /// <summary>Group ids by the client that wants them, in chunks that fit a message.</summary>
    private IEnumerable<(IActorRef Client, GroupId[] Groups)> GroupIds(IEnumerable<GroupId> groups) =>
        from byClient in groups.GroupBy(_roster.Of)
        where byClient.Key is not null
        from some in byClient.Chunk(GroupsAtOnce)
        select (byClient.Key, some);

    private void GiveUp(IActorRef client, GroupId group, string reason) =>
        client.Tell(new GroupGivenUp(epoch, group, reason));

    /// <summary>Tells the client of a group, if it has one, how the group ended.</summary>
    private void Answer(RolloutGroup group)
    {
        if (_roster.Of(group.Id) is not { } client)
            return;
        if (group.Outcome is GroupFailed failed)
        {
            GiveUp(client, failed.Id, failed.Reason);
            return;
        }
        var completions = ((GroupFinished)group.Outcome!).Completions;
        foreach (var part in Parts(completions, completion => completion.Tokens.Length))
            client.Tell(new CompletionsReady(epoch, group.Id, completions.Length, part));
    }

    /// <summary>Tells the client of a streamed group, if it has one, of new tokens.</summary>
    private void Tell(RolloutGroup group)
    {
        if (_roster.Of(group.Id) is not { } client)
            return;
        SampleSlice[] news = [.. group.Slots.Select(slot => slot.TakeNews()).OfType<SampleSlice>()];
        foreach (var part in Parts(news, slice => slice.Sampled.Count))
            client.Tell(new SamplesGrew(epoch, group.Id, part));
    }

    /// <summary>Cuts samples into parts that fit a message.</summary>
    private static IEnumerable<T[]> Parts<T>(T[] samples, Func<T, int> tokensOf)
    {
        for (var start = 0; start < samples.Length;)
        {
            var (end, tokens) = (start, 0L);
            do
                tokens += tokensOf(samples[end++]);
            while (end < samples.Length && tokens + tokensOf(samples[end]) <= AnsweredTokens);
            yield return samples[start..end];
            start = end;
        }
    }
}
