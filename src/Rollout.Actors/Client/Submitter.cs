using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Client;

/// <summary>
/// The way in which an actor submits groups: <see cref="ClientSession"/> and the trainer own one each. Refuses what no
/// decoder could sample, and tells the scheduler what <see cref="Submissions"/> decides. Its owner passes on
/// <see cref="Tick"/>s and what the scheduler says.
/// </summary>
/// <param name="scheduler">Gets the groups.</param>
/// <param name="required">The only weights that the groups may be decoded with; null for any.</param>
/// <param name="fingerprint">The only model and tokenizer that they may be decoded with; null for any.</param>
internal sealed class Submitter(IActorRef scheduler, Policy? required, string? fingerprint = null)
{
    private static readonly TimeSpan TickEvery = TimeSpan.FromSeconds(1);

    private readonly Submissions _submissions = new();
    private ITimerScheduler? _timers;

    /// <summary>Groups without an outcome.</summary>
    public int Count => _submissions.Count;

    /// <summary>Groups without an outcome, and those whose outcomes were not read.</summary>
    public int Outstanding => _submissions.Count + _submissions.Unread;

    /// <summary>How long no group has made a token.</summary>
    public TimeSpan QuietTime => _submissions.QuietTicks * TickEvery;

    /// <summary>Has the owner's timers send it a <see cref="Tick"/> each second until <see cref="Close"/>.</summary>
    public void Start(ITimerScheduler timers)
    {
        _timers = timers;
        timers.StartPeriodicTimer(nameof(Submitter), new Tick(), TickEvery);
    }

    /// <summary>Submits a group. Returns its outcome if no decoder could sample it, or no message carry it.</summary>
    /// <exception cref="InvalidOperationException">A group with its id has no outcome yet.</exception>
    public GroupFailed? Submit(GroupRequest group)
    {
        if ((RequestRules.WhyRefused(group) ?? WireLimits.WhyTooLarge(group)) is { } reason)
            return _submissions.Refuse(group.Id, reason);
        _submissions.Add(group, required, fingerprint);
        Send();
        return null;
    }

    /// <summary>Follows what the scheduler says. Returns a group's outcome when the message completes it.</summary>
    public GroupOutcome? Receive(IClientMessage message)
    {
        var outcome = _submissions.Receive(message);
        Send();
        return outcome;
    }

    /// <summary>Tells the scheduler in time that the caller has this outcome.</summary>
    public void Acknowledge(GroupOutcome outcome)
    {
        _submissions.Acknowledge(outcome);
        Send();
    }

    /// <summary>Notes that the groups make progress, as something outside of the scheduler shows.</summary>
    public void NoteProgress() => _submissions.NoteProgress();

    /// <summary>Asks after groups. To be called on each <see cref="Tick"/>.</summary>
    public void AskAgain()
    {
        _submissions.Tick();
        Send();
    }

    /// <summary>Ends the submitter: nobody wants what has no outcome.</summary>
    public void Close()
    {
        _timers?.Cancel(nameof(Submitter));
        foreach (var message in _submissions.Close())
            scheduler.Tell(message);
    }

    private void Send()
    {
        foreach (var message in _submissions.TakeMessages())
            scheduler.Tell(message);
    }

    /// <summary>To the owner, from its own timer: a second has passed.</summary>
    public sealed record Tick;
}
