using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Placement;

/// <summary>
/// Who works on what. Each sample of a submitted group waits, is on one living decoder, or has finished; a group ends
/// once, with all its samples or with a reason, and its outcome is kept until its client has it. What decoders are to
/// be told gathers in their <see cref="DecoderLoad.Commands"/>, groups that ended in <see cref="TakeEnded"/>.
/// </summary>
public sealed class GroupBook
{
    private readonly GroupRegister _groups;
    private readonly RoomLine _line;
    private readonly SchedulerEpoch _epoch;
    private readonly SchedulerSettings _settings;
    private readonly WorkDispatch _work;
    private readonly SampleIntake _samples;
    private readonly UnservedGroups _unserved;

    /// <param name="epoch">The scheduler's.</param>
    /// <param name="settings">Sizes and deadlines.</param>
    /// <param name="now">The time.</param>
    /// <param name="knowsHosts">False while membership is still to say which hosts are up.</param>
    public GroupBook(SchedulerEpoch epoch, SchedulerSettings settings, Func<TimeSpan> now, bool knowsHosts = true)
    {
        (_epoch, _settings, Decoders) = (epoch, settings, new DecoderFleet(epoch, knowsHosts));
        var policy = new PlacementPolicy(settings.LookaheadSeqs);
        _groups = new GroupRegister(now, settings.GroupTimeout);
        _line = new RoomLine(now);
        _work = new WorkDispatch(policy, Decoders.Ranking, _groups.StartClock);
        _samples = new SampleIntake(policy, _work, _groups);
        _unserved = new UnservedGroups(_work.Waiting, Decoders, settings.DecoderTimeout);
    }

    /// <summary>Groups that haven't ended.</summary>
    public int GroupsOnTheirWay => _groups.OnTheirWay;

    /// <summary>Sequences that no decoder has.</summary>
    public int WaitingSequences => _work.WaitingSequences;

    public DecoderFleet Decoders { get; }

    private double QueueCapacity => _settings.QueueDepth * Decoders.Places;

    /// <summary>Of the model and tokenizer that groups are sampled with; null while there is no decoder and no group.</summary>
    public string? Fingerprint => Decoders.Fingerprint(hasWork: GroupsOnTheirWay > 0);

    /// <summary>A group that was submitted and not yet acknowledged.</summary>
    public RolloutGroup? Find(GroupId id) => _groups.Find(id);

    /// <summary>Nothing is given to anybody.</summary>
    public bool IsHeld => _work.IsHeld;

    /// <summary>Gives nothing to anybody until <see cref="Open"/>: decoders are still to say what they hold.</summary>
    public void Hold() => _work.IsHeld = true;

    /// <summary>Gives waiting samples to decoders from now on.</summary>
    public void Open()
    {
        _work.IsHeld = false;
        _work.PlaceAll();
    }

    /// <summary>
    /// Accepts a group, or has it wait with its client where enough is waiting here: it then has a place in line, and
    /// <see cref="TakeCalled"/> names it when there is room. Its clock starts with its first assignment.
    /// </summary>
    public Submission Submit(GroupRequest request, Policy? required, string? fingerprint = null)
    {
        if (_groups.Find(request.Id) is { } group)
        {
            _line.Remove(request.Id);
            if (group.Outcome is not null)
                return Submission.Ended;
            if (group.Request is null)
                Adopt(group, request, required, fingerprint);
            return Submission.Taken;
        }
        if (!_line.IsCalled(request.Id) && !(_line.IsEmpty && HasRoomFor(request.Samples.Length)))
        {
            _line.Offer(new OfferedGroup(request.Id, request.Samples.Length));
            return Submission.NoRoom;
        }
        _line.Remove(request.Id);
        if (Fingerprint is null)
            Decoders.Expect(fingerprint);
        group = _groups.Add(request.Id);
        group.Attach(request, required, fingerprint);
        _work.Queue(group);
        return Submission.Taken;
    }

    /// <summary>
    /// A client has a group that may or may not have been submitted here: one that is not here takes a place in line, and
    /// one that only decoders know of is called at once, since their work on it is wasted otherwise.
    /// </summary>
    public Submission Offer(OfferedGroup offered)
    {
        if (_groups.Find(offered.Id) is { } group && (group.Outcome is not null || group.Request is not null))
            return group.Outcome is null ? Submission.Taken : Submission.Ended;
        _line.Offer(offered);
        if (_groups.Find(offered.Id) is not null)
            _line.Call(offered.Id);
        return Submission.NoRoom;
    }

    /// <summary>Groups that there is room for now, since the last call: their clients are to submit them.</summary>
    public IReadOnlyList<GroupId> TakeCalled() =>
        _line.IsEmpty ? [] : _line.TakeCalled(WaitingSequences, QueueCapacity);

    /// <summary>To be called every second or so: groups that were called, and never came, lose their places.</summary>
    public IReadOnlyList<GroupId> DropLate() => _line.DropLate();

    /// <summary>Why a group of this model and tokenizer can't be taken, in a sentence; null where it can.</summary>
    public string? WhyAnotherModel(string? fingerprint) =>
        fingerprint is null || Fingerprint is not { } theirs || theirs == fingerprint ? null
            : $"the decoders have another model or tokenizer than it is for: {theirs}, expected {fingerprint}";

    /// <summary>Nobody wants this group any more.</summary>
    public void Cancel(GroupId id)
    {
        _line.Remove(id);
        if (_groups.Find(id) is not { } group)
            return;
        Withdraw(group);
        Forget(group, atOnce: true);
    }

    /// <summary>The client has the outcome of this group. One that is still on its way goes on.</summary>
    public void Acknowledge(GroupId id)
    {
        if (_groups.Find(id) is { Outcome: not null } group)
            Forget(group, atOnce: false);
    }

    /// <summary>A group can't be finished.</summary>
    public void Fail(GroupId id, string reason)
    {
        if (_groups.Find(id) is not { Outcome: null } group)
            return;
        Withdraw(group);
        _groups.End(group, new GroupFailed(id, reason));
        TellHolders(group, atOnce: true);
    }

    /// <summary>All groups that haven't ended fail.</summary>
    public void FailAll(string reason) => FailEach([.. _groups.Wanted.Select(group => (group.Id, reason))]);

    /// <summary>
    /// Groups fail that no decoder can ever run: they are longer than any that there was. To be called where no other
    /// decoder is expected.
    /// </summary>
    public void FailUnfit() => FailEach(IsHeld ? [] : _unserved.Unfit());

    /// <summary>Groups wait that no decoder can run which is there.</summary>
    public bool AnyTooLong => _unserved.AnyTooLong;

    /// <summary>To be called every second or so: groups fail that have waited too long without a decoder for them.</summary>
    /// <param name="now">The time.</param>
    /// <param name="loss">What became of the decoder that was lost last.</param>
    public void FailStranded(TimeSpan now, string loss) => FailEach(_unserved.Stranded(now, loss, IsHeld));

    /// <summary>Groups that ended since the last call.</summary>
    public IReadOnlyList<RolloutGroup> TakeEnded() => _groups.TakeEnded();

    /// <summary>
    /// Groups that have made no token for too long, or whose outcome was not acknowledged in time. Those that no client has
    /// asked for are dropped on the way.
    /// </summary>
    public IReadOnlyList<RolloutGroup> TakeOverdue()
    {
        var overdue = _groups.TakeOverdue();
        foreach (var orphan in overdue.Where(group => group.Request is null))
            Cancel(orphan.Id);
        return [.. overdue.Where(group => group.Request is not null)];
    }

    /// <summary>
    /// A decoder says that it is there. An earlier incarnation's samples wait again, before newer groups. Null for one
    /// that is known to be gone, or is refused.
    /// </summary>
    public DecoderLoad? Welcome(DecoderHere here, out string? refusal)
    {
        var isKnown = Decoders.Find(here.Id)?.Here.Incarnation == here.Incarnation;
        var before = Fingerprint;
        (var decoder, refusal, var displaced) = Decoders.Register(here, GroupsOnTheirWay > 0, IsHeld);
        if (decoder is null)
            return null;
        if (!isKnown)
            _work.Measure(Decoders.All);
        foreach (var other in displaced)
            Lose(other, other.Id == here.Id ? "it was started anew" : null);
        if (Fingerprint != before)
            FailThoseOfAnotherModel();
        if (here.Seen == _epoch)
        {
            decoder.Commands.Acknowledge(here.CommandsTaken);
            decoder.IsSettled |= here.Holding == 0;
        }
        decoder.Commands.Flush();
        Decoders.Ranking.Update(decoder);
        _work.Fill(decoder);
        _work.Balance(decoder);
        return decoder;
    }

    /// <summary>An incarnation of a decoder is gone; what it worked on may be to blame where it is a fault.</summary>
    public void DecoderDown(DecoderLost lost, bool isFault = true)
    {
        if (Decoders.Remove(lost) is not { } decoder)
            return;
        _work.Measure(Decoders.All);
        Lose(decoder, isFault ? lost.Reason : null);
    }

    /// <summary>All decoders of a host are gone, for good: a process that takes its address later is another host.</summary>
    public IReadOnlyList<DecoderLoad> HostDown(HostId host)
    {
        var lost = Decoders.Remove(host);
        _work.Measure(Decoders.All);
        foreach (var decoder in lost)
            Lose(decoder, fault: null);
        return lost;
    }

    /// <summary>Takes a report. Null where it comes from nobody who counts, and is not to be answered.</summary>
    public DecoderLoad? Take(DecoderReport report)
    {
        if (report.Epoch != _epoch || Decoders.Find(report.Decoder) is not { } decoder
            || decoder.Here.Incarnation != report.Incarnation)
        {
            return null;
        }
        decoder.Commands.Acknowledge(report.CommandsTaken);
        if (report.Number <= decoder.LastReport)
            return decoder;
        decoder.LastReport = report.Number;
        (decoder.Load, decoder.Here) = (report.Load, decoder.Here with { Policy = report.Policy });
        foreach (var progress in report.Samples)
        {
            // Of a settled decoder it is one whose client has its outcome, or has cancelled it: the decoder is being told.
            var group = _groups.Find(progress.Group) ?? (decoder.IsSettled ? null : AddOrphan(progress.Group));
            if (group is not null && _samples.Take(decoder, group, progress))
                EndIfComplete(group);
        }
        foreach (var rejection in report.Rejected)
        {
            if (_groups.Find(rejection.Group) is { } group && SampleIntake.IsAt(group, decoder, rejection.Attempt))
                Fail(rejection.Group, rejection.Reason);
        }
        decoder.IsSettled |= !report.More;
        Decoders.Ranking.Update(decoder);
        _work.Fill(decoder);
        _work.Balance(decoder);
        return decoder;
    }

    private bool HasRoomFor(int samples) => WaitingSequences == 0 || WaitingSequences + samples <= QueueCapacity;

    private RolloutGroup AddOrphan(GroupId id)
    {
        if (_line.Contains(id))
            _line.Call(id);
        return _groups.AddOrphan(id);
    }

    private void EndIfComplete(RolloutGroup group)
    {
        if (group is { Unfinished: 0, Request: not null })
            _groups.End(group, new GroupFinished(group.Id, [.. group.Slots.Select(slot => slot.ToCompletion())]));
    }

    private void Adopt(RolloutGroup group, GroupRequest request, Policy? required, string? fingerprint)
    {
        if (!group.Attach(request, required, fingerprint))
        {
            Fail(request.Id, $"decoders have samples of it that it doesn't have: it has {request.Samples.Length}");
            return;
        }
        EndIfComplete(group);
        if (group.Outcome is not null)
            return;
        _groups.StartClock(group);
        _work.Queue(group);
    }

    private void FailThoseOfAnotherModel()
    {
        foreach (var group in _groups.Wanted.ToArray())
        {
            if (WhyAnotherModel(group.Fingerprint) is { } reason)
                Fail(group.Id, reason);
        }
    }

    private void FailEach(IReadOnlyList<(GroupId Id, string Reason)> failed)
    {
        foreach (var (id, reason) in failed)
            Fail(id, reason);
    }

    /// <param name="decoder">It is out.</param>
    /// <param name="fault">What it was lost by, where a group of it may be to blame.</param>
    private void Lose(DecoderLoad decoder, string? fault)
    {
        decoder.IsGone = true;
        Decoders.Ranking.Update(decoder);
        foreach (var group in decoder.Groups.Keys.ToArray())
        {
            var released = 0;
            foreach (var slot in group.Slots.Where(slot => slot.Decoder == decoder))
            {
                decoder.Remove(group, slot);
                decoder.Orphan(slot);
                slot.Release();
                released++;
            }
            group.Losses += fault is null ? 0 : 1;
            _work.Requeue(group, released);
            if (group is { Losses: >= RolloutGroup.MostLosses, Request: not null })
                Fail(group.Id, $"its decoder was lost {group.Losses} times; the last one was {decoder.Id}: {fault}");
        }
        _work.PlaceAll();
    }

    /// <summary>Takes a group from decoders and queue.</summary>
    private void Withdraw(RolloutGroup group)
    {
        _work.Remove(group);
        foreach (var slot in group.Slots)
        {
            if (slot.Decoder is not { } decoder)
                continue;
            decoder.Remove(group, slot);
            slot.Release();
            Decoders.Ranking.Update(decoder);
        }
    }

    private void Forget(RolloutGroup group, bool atOnce)
    {
        _groups.Remove(group);
        TellHolders(group, atOnce);
    }

    private static void TellHolders(RolloutGroup group, bool atOnce)
    {
        foreach (var holder in group.Holders.Where(holder => !holder.IsGone))
        {
            holder.Commands.Forget(group.Id);
            if (atOnce)
                holder.Commands.Flush();
        }
        group.Holders.Clear();
    }
}
