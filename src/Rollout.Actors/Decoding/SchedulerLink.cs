using Akka.Actor;
using Rollout.Actors.Engine;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Decoding;

/// <summary>
/// A decoder's side of its talk with the scheduler: announces the decoder, carries out commands on the engine, and
/// reports the engine's progress until the scheduler has it. Used by the decoder's thread alone.
/// </summary>
/// <param name="setup">The decoder's setup.</param>
/// <param name="incarnation">The decoder's incarnation.</param>
/// <param name="engine">Works on the samples.</param>
/// <param name="decoder">The decoder itself.</param>
/// <param name="scheduler">A proxy of the current scheduler, wherever it is.</param>
/// <param name="tickEvery">Has <see cref="Tick"/> called periodically.</param>
/// <param name="checkAfter">Has <see cref="CheckAnswer"/> called once after this time, and at no other.</param>
internal sealed class SchedulerLink(
    DecoderSetup setup,
    int incarnation,
    DecodeEngine engine,
    IActorRef decoder,
    IActorRef scheduler,
    Action<TimeSpan> tickEvery,
    Action<TimeSpan> checkAfter)
{
    /// <summary>How long a report may go without an answer before it is sent again, and the scheduler looked for.</summary>
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(1);

    /// <summary>
    /// The same in report intervals, whichever is longer: a scheduler that asks for few reports has many decoders to
    /// answer.
    /// </summary>
    private const int AnswerIntervals = 4;

    private readonly DecoderJournal _journal = new();
    private IActorRef _reportTo = ActorRefs.Nobody;
    private IActorRef? _drainer;
    private TimeSpan _interval;
    private Policy? _policy;
    private int _handedBack;
    private int _availableBlocks = engine.Capacity.Blocks;
    private bool _saidMore;

    private bool IsLeaving => _drainer is not null;

    /// <summary>
    /// The next steps run under this policy, and none is under way: samples that require another policy are handed back
    /// with the tokens that they have.
    /// </summary>
    public void UsePolicy(Policy policy)
    {
        _policy = policy;
        foreach (var group in _journal.NotUnder(policy))
            HandBack(group, null, runningToo: true);
        ReportNews();
    }

    /// <summary>Tells the scheduler, whoever it is, that the decoder is there, once it has a policy.</summary>
    public void Announce()
    {
        if (_policy is not { } policy)
            return;
        var here = new DecoderHere(
            setup.Id, incarnation, decoder, engine.Capacity, policy, setup.Fingerprint, _journal.Epoch,
            _journal.CommandsTaken, _journal.HeldSamples, IsLeaving);
        scheduler.Tell(here, decoder);
    }

    /// <summary>Follows the scheduler that answered. A newer one is told everything.</summary>
    public void FollowScheduler(SchedulerHere here, IActorRef from)
    {
        if (here.Epoch.Value < _journal.Epoch.Value)
            return;
        if (here.ReportEvery != _interval)
            tickEvery(_interval = here.ReportEvery);
        if (!_journal.Follow(here.Epoch))
            return;
        _reportTo = from;
        if (_journal.HeldSamples > 0)
            Report(unfinishedToo: true);
        else
            Announce();
    }

    /// <summary>False for a refusal by an older scheduler.</summary>
    public bool Obeys(DecoderRefused refused) => refused.Epoch.Value >= _journal.Epoch.Value;

    /// <summary>Carries out a command, unless it was carried out before or comes from an older scheduler.</summary>
    public void CarryOut(SchedulerCommand command)
    {
        if (!_journal.Accept(command))
            return;
        switch (command)
        {
            case AssignSamples assign:
                Assign(assign);
                break;
            case RecallSamples recall:
                HandBack(recall.Id, recall.Samples, recall.RunningToo);
                break;
            case ForgetGroups forget:
                foreach (var group in forget.Groups)
                {
                    _journal.Forget(group);
                    engine.Abort(group);
                }
                break;
        }
        ReportNews();
    }

    /// <summary>The scheduler has a report: the next one may be sent.</summary>
    public void AcknowledgeReport(ReportTaken taken)
    {
        if (!_journal.Acknowledge(taken.Epoch, taken.Number))
            return;
        if (_saidMore)
            Report(unfinishedToo: true);
        ReportNews();
        EndDrainIfDone();
    }

    /// <summary>Reports what ended with a step.</summary>
    /// <param name="availableBlocks">Blocks of the pool that nobody holds.</param>
    public void StepDone(int availableBlocks)
    {
        _availableBlocks = availableBlocks;
        ReportNews();
    }

    /// <summary>Reports the tokens since the last report.</summary>
    public void Tick()
    {
        if (!_journal.IsReportOut)
            Report(unfinishedToo: true);
    }

    /// <summary>Sends a report again that had no answer.</summary>
    public void CheckAnswer()
    {
        if (!_journal.IsReportOut)
            return;
        Announce();
        Report(unfinishedToo: true);
    }

    /// <summary>Hands everything back and takes nothing more. Whoever asked is told when the scheduler has it.</summary>
    public void Drain(IActorRef asker)
    {
        _drainer = asker;
        foreach (var group in engine.Sequences.Select(sequence => sequence.Id.Group).Distinct().ToArray())
            HandBack(group, null, runningToo: true);
        Announce();
        ReportNews();
        EndDrainIfDone();
    }

    private void Assign(AssignSamples assign)
    {
        var group = assign.Group.Id;
        foreach (var start in assign.Samples)
        {
            // The scheduler goes on from what it knows, not from what an earlier assignment has here.
            if (_journal.Assign(group, start, assign.Assignment, assign.RequiredPolicy))
                engine.Recall(group, [start.Sample], runningToo: true);
        }
        engine.Add(assign.Group, assign.Samples);
        if (IsLeaving || (assign.RequiredPolicy ?? _policy) != _policy)
            HandBack(group, null, runningToo: true);
    }

    private void HandBack(GroupId group, int[]? samples, bool runningToo)
    {
        TakeOutcomes();
        foreach (var start in engine.Recall(group, samples, runningToo))
        {
            _journal.HandBack(group, start);
            _handedBack++;
        }
    }

    private void TakeOutcomes()
    {
        foreach (var outcome in engine.TakeOutcomes())
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
            Report(unfinishedToo: false);
    }

    private void Report(bool unfinishedToo)
    {
        TakeOutcomes();
        if (_policy is not { } policy)
            return;
        var (running, waiting) = engine.CountSequences();
        var load = new DeviceLoad(running, waiting, _availableBlocks);
        if (_journal.Report(setup.Id, incarnation, policy, unfinishedToo ? engine.Sequences : null, load) is not { } report)
            return;
        _saidMore = report.More;
        _reportTo.Tell(report, decoder);
        checkAfter(TimeSpan.FromTicks(Math.Max(AnswerTime.Ticks, AnswerIntervals * _interval.Ticks)));
    }

    private void EndDrainIfDone()
    {
        if (_drainer is { } asker && !_journal.HasNews && !_journal.IsReportOut)
            asker.Tell(new Drained(setup.Id, _handedBack), decoder);
    }
}
