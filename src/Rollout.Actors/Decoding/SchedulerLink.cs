using Akka.Actor;
using Rollout.Actors.Engine;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Decoding;

/// <summary>
/// A decoder's side of its talk with the scheduler: announces the decoder, carries out commands on the engine, and
/// reports the engine's progress until the scheduler has it. SchedulerLink.HandBack.cs has the samples that go back
/// unfinished. Used by the decoder's thread alone.
/// </summary>
/// <param name="setup">The decoder's setup.</param>
/// <param name="incarnation">The decoder's incarnation.</param>
/// <param name="engine">Works on the samples.</param>
/// <param name="decoder">The decoder itself.</param>
/// <param name="scheduler">A proxy of the current scheduler, wherever it is.</param>
/// <param name="tickEvery">Has <see cref="Tick"/> called periodically.</param>
/// <param name="checkAfter">Has <see cref="CheckAnswer"/> called once after this time, in place of a call still due.</param>
internal sealed partial class SchedulerLink(
    DecoderSetup setup,
    int incarnation,
    DecodeEngine engine,
    IActorRef decoder,
    IActorRef scheduler,
    Action<TimeSpan> tickEvery,
    Action<TimeSpan> checkAfter)
{
    /// <summary>How long a report may go without an answer before the decoder announces itself and sends it again.</summary>
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(1);

    /// <summary>
    /// The same time in report intervals; the longer one counts. A scheduler that asks for few reports has many decoders
    /// to answer.
    /// </summary>
    private const int AnswerIntervals = 4;

    private readonly DecoderJournal _journal = new();
    private IActorRef _reportTo = ActorRefs.Nobody;
    private TimeSpan _interval;
    private Policy? _policy;
    private int _availableBlocks = engine.Capacity.Blocks;
    private bool _saidMore;

    /// <summary>Announces the decoder to the current scheduler; does nothing before the decoder has a policy.</summary>
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

    /// <summary>Notes that the scheduler has a report, and sends the next one.</summary>
    public void AcknowledgeReport(ReportTaken taken)
    {
        if (!_journal.Acknowledge(taken.Epoch, taken.Number))
            return;
        if (_saidMore)
            Report(unfinishedToo: true);
        ReportNews();
        EndDrainIfDone();
    }

    /// <summary>Reports what ended with a step, and the new tokens of streamed groups.</summary>
    /// <param name="availableBlocks">Blocks of the pool that nobody holds.</param>
    public void StepDone(int availableBlocks)
    {
        _availableBlocks = availableBlocks;
        if (_journal is { HasStreams: true, IsReportOut: false })
            Report(unfinishedToo: true, onlyStreams: true);
        else
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

    private void Assign(AssignSamples assign)
    {
        var group = assign.Group.Id;
        foreach (var start in assign.Samples)
        {
            // The scheduler goes on from what it knows, not from what an earlier assignment has here.
            if (_journal.Assign(group, start, assign.Assignment, assign.RequiredPolicy, assign.Group.Streamed))
                engine.Recall(group, [start.Sample], runningToo: true);
        }
        engine.Add(assign.Group, assign.Samples);
        if (IsLeaving || (assign.RequiredPolicy ?? _policy) != _policy)
            HandBack(group, null, runningToo: true);
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

    private void Report(bool unfinishedToo, bool onlyStreams = false)
    {
        TakeOutcomes();
        if (_policy is not { } policy)
            return;
        var (running, waiting) = engine.CountSequences();
        var load = new DeviceLoad(running, waiting, _availableBlocks);
        var underway = unfinishedToo ? engine.Sequences : null;
        if (_journal.Report(setup.Id, incarnation, policy, underway, load, onlyStreams) is not { } report)
            return;
        _saidMore = report.More;
        _reportTo.Tell(report, decoder);
        checkAfter(TimeSpan.FromTicks(Math.Max(AnswerTime.Ticks, AnswerIntervals * _interval.Ticks)));
    }
}
