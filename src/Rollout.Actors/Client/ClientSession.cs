using System.Threading.Channels;
using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Client;

/// <summary>
/// One enumeration of a <see cref="RolloutClient"/>: holds the groups that have no answer yet, keeps the window full,
/// and submits again what the scheduler may have forgotten. A group's second answer is dropped.
/// </summary>
internal sealed class ClientSession : ReceiveActor
{
    /// <summary>How long the scheduler may be silent before everything unanswered is submitted again (harmless by its ids).</summary>
    private static readonly TimeSpan Resubmission = TimeSpan.FromSeconds(15);

    private readonly IEnumerator<GroupRequest> _source;
    private readonly int _window;
    private readonly IActorRef _scheduler;
    private readonly ChannelWriter<GroupOutcome> _outcomes;
    private readonly Dictionary<GroupId, GroupRequest> _unanswered = [];

    public ClientSession(
        IEnumerator<GroupRequest> groups, int window, IActorRef scheduler, ChannelWriter<GroupOutcome> outcomes)
    {
        _source = groups;
        _window = window;
        _scheduler = scheduler;
        _outcomes = outcomes;
        Receive<GroupOutcome>(Deliver);
        Receive<ReceiveTimeout>(_ => Resubmit());
    }

    /// <param name="groups">Read and disposed of by the session alone.</param>
    /// <param name="window">Groups without an answer at most.</param>
    /// <param name="scheduler">Gets the groups.</param>
    /// <param name="outcomes">Gets each group's outcome; completed at the end, with a fault where groups are unanswered.</param>
    public static Props Props(
        IEnumerator<GroupRequest> groups, int window, IActorRef scheduler, ChannelWriter<GroupOutcome> outcomes) =>
        Akka.Actor.Props.Create(() => new ClientSession(groups, window, scheduler, outcomes));

    protected override void PreStart()
    {
        SetReceiveTimeout(Resubmission);
        Fill();
    }

    protected override void PostStop()
    {
        _source.Dispose();
        if (_unanswered.Count == 0)
        {
            _outcomes.TryComplete();
            return;
        }
        _scheduler.Tell(new CancelGroups([.. _unanswered.Keys]));
        // An enumeration that just ended would be taken for a complete one.
        _outcomes.TryComplete(new InvalidOperationException(
            $"the actor system stopped before {_unanswered.Count} groups were answered"));
    }

    /// <summary>A fault of the source is the caller's to see.</summary>
    private void Fill()
    {
        try
        {
            while (_unanswered.Count < _window && _source.MoveNext())
            {
                var group = _source.Current;
                if (!_unanswered.TryAdd(group.Id, group))
                    throw new InvalidOperationException($"{group.Id} is submitted twice");
                _scheduler.Tell(new SubmitGroup(group));
            }
        }
        catch (Exception fault)
        {
            _outcomes.TryComplete(fault);
            Context.Stop(Self);
            return;
        }
        if (_unanswered.Count == 0)
            Context.Stop(Self);
    }

    private void Deliver(GroupOutcome outcome)
    {
        if (!_unanswered.Remove(outcome.Id))
            return;
        _outcomes.TryWrite(outcome);
        Fill();
    }

    private void Resubmit()
    {
        foreach (var group in _unanswered.Values)
            _scheduler.Tell(new SubmitGroup(group));
    }
}
