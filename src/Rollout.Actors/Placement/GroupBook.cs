using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Placement;

/// <summary>
/// The scheduler's record of groups and of the decoders that work on them. Each sample of a submitted group waits, is on one
/// living decoder, or has finished. A group ends once, with all its samples or with a reason, and its outcome is kept until
/// its client has it. Commands gather in <see cref="KnownDecoder.Commands"/>, groups that ended in <see cref="TakeEnded"/>.
/// GroupBook.Failures.cs has the groups that end without all their samples, GroupBook.Takeover.cs those of an earlier scheduler.
/// </summary>
public sealed partial class GroupBook
{
    private readonly OfferLine _line;
    private readonly double _queueDepth;
    private readonly TimeSpan _decoderTimeout;
    private readonly UnservedGroups _unserved;

    /// <param name="epoch">The scheduler's epoch.</param>
    /// <param name="settings">Sizes and deadlines.</param>
    /// <param name="now">The time.</param>
    /// <param name="knowsHosts">False while membership is still to say which hosts are up.</param>
    public GroupBook(SchedulerEpoch epoch, SchedulerSettings settings, Func<TimeSpan> now, bool knowsHosts = true)
    {
        Decoders = new DecoderFleet(epoch, knowsHosts);
        Room = new RoomEstimate(settings.LookaheadSeqs);
        Groups = new GroupRegister(now, settings.GroupTimeout);
        Work = new WorkDispatch(Room, Decoders.Ranking, Groups.StartClock);
        _line = new OfferLine(now);
        (_queueDepth, _decoderTimeout) = (settings.QueueDepth, settings.DecoderTimeout);
        _unserved = new UnservedGroups(Work.Waiting, Decoders, _decoderTimeout);
    }

    /// <summary>Groups that haven't ended.</summary>
    public int GroupsOnTheirWay => Groups.OnTheirWay;

    /// <summary>Sequences that no decoder has.</summary>
    public int WaitingSequences => Work.WaitingSequences;

    /// <summary>The decoders.</summary>
    public DecoderFleet Decoders { get; }

    /// <summary>The groups by id, and when they are overdue.</summary>
    internal GroupRegister Groups { get; }

    /// <summary>The queue of waiting samples, and their assignment to decoders.</summary>
    internal WorkDispatch Work { get; }

    /// <summary>Estimates the room of decoders and the needs of groups.</summary>
    internal RoomEstimate Room { get; }

    private double QueueCapacity => _queueDepth * Decoders.Places;

    /// <summary>The model and tokenizer that groups are sampled with; null while there is no decoder and no group.</summary>
    public string? Fingerprint => Decoders.Fingerprint(hasWork: GroupsOnTheirWay > 0);

    /// <summary>A group that was submitted, or that a decoder has brought, until its outcome is acknowledged.</summary>
    public RolloutGroup? Find(GroupId id) => Groups.Find(id);

    /// <summary>
    /// Accepts a group. If the queue is full, its client keeps it instead: it then has a place in line, and
    /// <see cref="TakeCalled"/> names it when there is room. Its clock starts with its first assignment.
    /// </summary>
    public SubmitResult Submit(GroupRequest request, Policy? required, string? fingerprint = null)
    {
        if (Groups.Find(request.Id) is { } group)
        {
            _line.RemoveSubmitted(request.Id);
            if (group.Outcome is not null)
                return SubmitResult.Ended;
            if (group.Request is null)
                Adopt(group, request, required, fingerprint);
            return SubmitResult.Accepted;
        }
        if (!_line.IsCalled(request.Id) && !(_line.IsEmpty && HasRoomFor(request.Samples.Length)))
        {
            _line.Offer(new OfferedGroup(request.Id, request.Samples.Length));
            return SubmitResult.NoRoom;
        }
        _line.RemoveSubmitted(request.Id);
        if (Fingerprint is null)
            Decoders.Expect(fingerprint);
        group = Groups.Add(request.Id);
        group.Attach(request, required, fingerprint);
        Work.Enqueue(group);
        return SubmitResult.Accepted;
    }

    /// <summary>
    /// Handles a client's question after a group that may have been submitted here. An unknown group gets a place in line. One
    /// that only decoders know of is called at once, since their work on it would be wasted otherwise.
    /// </summary>
    public SubmitResult Offer(OfferedGroup offered)
    {
        if (Groups.Find(offered.Id) is { } group && (group.Outcome is not null || group.Request is not null))
            return group.Outcome is null ? SubmitResult.Accepted : SubmitResult.Ended;
        if (Groups.Find(offered.Id) is null)
            _line.Offer(offered);
        else
            _line.OfferAndCall(offered);
        return SubmitResult.NoRoom;
    }

    /// <summary>Takes the groups that were called since the last time: there is room, and their clients may submit them.</summary>
    public IReadOnlyList<GroupId> TakeCalled() =>
        _line.IsEmpty ? [] : _line.TakeCalled(WaitingSequences, QueueCapacity);

    /// <summary>Takes their places from clients that were called and sent nothing. To be called every second or so.</summary>
    public IReadOnlyList<GroupId> DropLate() => _line.DropLate();

    /// <summary>Why no decoder here can sample a group for this model and tokenizer, in a sentence; null if one can.</summary>
    public string? WhyRefused(GroupRequest request, string? fingerprint) =>
        RequestRules.WhyRefused(request, Decoders.VocabularySize)
        ?? (fingerprint is null || Fingerprint is not { } theirs || theirs == fingerprint ? null
            : $"the decoders have another model or tokenizer than it requires: {theirs}, expected {fingerprint}");

    /// <summary>Drops a group whose client has the outcome. One that is still on its way goes on.</summary>
    public void Acknowledge(GroupId id)
    {
        if (Groups.Find(id) is { Outcome: not null } group)
            Forget(group, atOnce: false);
    }

    /// <summary>Groups that ended since the last call.</summary>
    public IReadOnlyList<RolloutGroup> TakeEnded() => Groups.TakeEnded();

    private bool HasRoomFor(int samples) => WaitingSequences == 0 || WaitingSequences + samples <= QueueCapacity;

    /// <summary>Ends a group whose samples have all finished.</summary>
    internal void EndIfComplete(RolloutGroup group)
    {
        if (group is { Unfinished: 0, Request: not null })
            Groups.End(group, new GroupFinished(group.Id, [.. group.Slots.Select(slot => slot.ToCompletion())]));
    }

    private void Forget(RolloutGroup group, bool atOnce)
    {
        Groups.Remove(group);
        TellHolders(group, atOnce);
    }

    private static void TellHolders(RolloutGroup group, bool atOnce)
    {
        foreach (var holder in group.Holders.Where(holder => !holder.IsGone))
        {
            holder.Commands.Forget(group.Id);
            if (atOnce)
                holder.Commands.EnqueueForgotten();
        }
        group.Holders.Clear();
    }
}
