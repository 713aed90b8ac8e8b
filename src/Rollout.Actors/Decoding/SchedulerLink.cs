using Akka.Actor;
using Rollout.Actors.Batching;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Decoding;

/// <summary>
/// A decoder's side of its talk with the scheduler: announces it, carries commands out on the planner, and reports what
/// the planner's samples have come to until the scheduler has it. Used by the decoder's thread alone.
/// </summary>
/// <param name="id">The decoder's.</param>
/// <param name="incarnation">The decoder's.</param>
/// <param name="capacity">What its device can hold.</param>
/// <param name="fingerprint">Of its model and tokenizer.</param>
/// <param name="planner">Has the samples.</param>
/// <param name="decoder">The decoder itself.</param>
/// <param name="scheduler">Leads to the scheduler of the time, wherever it is.</param>
/// <param name="tickEvery">Sets the time after which <see cref="Tick"/> is to be called, again and again.</param>
internal sealed class SchedulerLink(
    DecoderId id,
    int incarnation,
    DecoderCapacity capacity,
    string fingerprint,
    StepPlanner planner,
    IActorRef decoder,
    IActorRef scheduler,
    Action<TimeSpan> tickEvery)
{
    /// <summary>How long a report may go without an answer before it is made again, and the scheduler looked for.</summary>
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(1);

    private readonly DecoderJournal _journal = new();
    private IActorRef _reportTo = ActorRefs.Nobody;
    private IActorRef? _drainer;
    private TimeSpan _interval;
    private TimeSpan _unansweredFor;
    private Policy _policy;
    private int _handedBack;
    private int _freeBlocks = capacity.Blocks;
    private bool _saidMore;

    private bool IsLeaving => _drainer is not null;

    /// <summary>Tells the scheduler, whoever it is, that the decoder is there.</summary>
    /// <param name="policy">What it decodes with.</param>
    public void Announce(Policy policy)
    {
        _policy = policy;
        scheduler.Tell(
            new DecoderHere(
                id,
                incarnation,
                decoder,
                capacity,
                policy,
                fingerprint,
                _journal.Epoch,
                _journal.CommandsTaken,
                _journal.Holding,
                IsLeaving),
            decoder);
    }

    /// <summary>A scheduler answers. A newer one than before is told everything.</summary>
    public void Take(SchedulerHere here, IActorRef from)
    {
        if (here.Epoch.Value < _journal.Epoch.Value)
            return;
        if (here.ReportEvery != _interval)
            tickEvery(_interval = here.ReportEvery);
        if (!_journal.Follow(here.Epoch))
            return;
        _reportTo = from;
        _unansweredFor = TimeSpan.Zero;
        if (_journal.Holding > 0)
            Report(everything: true);
        else
            Announce(_policy);
    }

    /// <summary>Carries out a command, unless that has been done or it comes from a scheduler of the past.</summary>
    public void Take(SchedulerCommand command)
    {
        if (!_journal.Accept(command))
            return;
        switch (command)
        {
            case AssignSamples assign:
                Take(assign);
                break;
            case RecallSamples recall:
                HandBack(recall.Id, recall.Samples, recall.RunningToo);
                break;
            case ForgetGroups forget:
                foreach (var group in forget.Groups)
                {
                    _journal.Forget(group);
                    planner.Abort(group);
                }
                break;
        }
        ReportNews();
    }

    /// <summary>The scheduler has taken a report.</summary>
    public void Take(ReportTaken taken)
    {
        if (!_journal.Acknowledge(taken.Epoch, taken.Number))
            return;
        _unansweredFor = TimeSpan.Zero;
        if (_saidMore)
            Report(everything: true);
        ReportNews();
        EndDrainIfDone();
    }

    /// <summary>A step has ended.</summary>
    /// <param name="freeBlocks">Blocks of the pool that nobody holds.</param>
    public void StepDone(int freeBlocks)
    {
        _freeBlocks = freeBlocks;
        ReportNews();
    }

    /// <summary>Time for the tokens since the last report, or to make it again where it had no answer.</summary>
    public void Tick()
    {
        if (!_journal.IsReportOut)
        {
            Report(everything: true);
            return;
        }
        _unansweredFor += _interval;
        if (_unansweredFor < AnswerTime)
            return;
        _unansweredFor = TimeSpan.Zero;
        Announce(_policy);
        Report(everything: true);
    }

    /// <summary>Hands everything back, takes nothing more, and says so to whoever asked when the scheduler has it.</summary>
    public void Drain(IActorRef asker)
    {
        _drainer = asker;
        foreach (var group in planner.Sequences.Select(sequence => sequence.Id.Group).Distinct().ToArray())
            HandBack(group, null, runningToo: true);
        Announce(_policy);
        ReportNews();
        EndDrainIfDone();
    }

    private void Take(AssignSamples assign)
    {
        var group = assign.Group.Id;
        foreach (var start in assign.Samples)
        {
            // What it was before is of no use to anybody: the scheduler goes on from what it knows.
            if (_journal.Assign(group, start, assign.Attempt))
                planner.Recall(group, [start.Sample], runningToo: true);
        }
        planner.Add(assign.Group, assign.Samples);
        if (IsLeaving)
            HandBack(group, null, runningToo: true);
    }

    private void HandBack(GroupId group, int[]? samples, bool runningToo)
    {
        TakeOutcomes();
        foreach (var start in planner.Recall(group, samples, runningToo))
        {
            _journal.HandBack(group, start);
            _handedBack++;
        }
    }

    private void TakeOutcomes()
    {
        foreach (var outcome in planner.TakeOutcomes())
        {
            if (outcome is SampleFinished finished)
                _journal.Finish(finished.Group, finished.Completion);
            else if (outcome is SamplesFailed failed)
                _journal.Reject(failed.Group, failed.Reason);
        }
    }

    private void ReportNews()
    {
        TakeOutcomes();
        if (_journal.HasNews && !_journal.IsReportOut)
            Report(everything: false);
    }

    private void Report(bool everything)
    {
        TakeOutcomes();
        var running = planner.Sequences.Count(
            sequence => sequence.Status is SequenceStatus.Running or SequenceStatus.Prefilling);
        var load = new DeviceLoad(running, planner.Sequences.Count - running, _freeBlocks);
        if (_journal.Report(id, incarnation, everything ? planner.Sequences : null, load) is not { } report)
            return;
        _saidMore = report.More;
        _reportTo.Tell(report, decoder);
    }

    private void EndDrainIfDone()
    {
        if (_drainer is { } asker && !_journal.HasNews && !_journal.IsReportOut)
            asker.Tell(new Drained(id, _handedBack), decoder);
    }
}
