using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Decoding;

// Samples that go back unfinished: they require other weights, the scheduler recalls them, or the decoder leaves.
internal sealed partial class SchedulerLink
{
    private IActorRef? _drainer;
    private int _handedBack;

    private bool IsLeaving => _drainer is not null;

    /// <summary>
    /// Notes the policy of the next steps, and hands back samples that require another one, with the tokens that they have.
    /// No step may be under way.
    /// </summary>
    public void UsePolicy(Policy policy)
    {
        _policy = policy;
        foreach (var group in _journal.NotUnder(policy))
            HandBack(group, null, runningToo: true);
        ReportNews();
    }

    /// <summary>Hands all samples back and accepts no more. Tells the asker when the scheduler has them.</summary>
    public void Drain(IActorRef asker)
    {
        _drainer = asker;
        foreach (var group in engine.Sequences.Select(sequence => sequence.Id.Group).Distinct().ToArray())
            HandBack(group, null, runningToo: true);
        Announce();
        ReportNews();
        EndDrainIfDone();
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

    private void EndDrainIfDone()
    {
        if (_drainer is { } asker && !_journal.HasNews && !_journal.IsReportOut)
            asker.Tell(new Drained(setup.Id, _handedBack), decoder);
    }
}
