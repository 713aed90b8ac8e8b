using Akka.Actor;
using Rollout.Actors.Client;
using Rollout.Actors.Data;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Training;

/// <summary>
/// One round of the trainer's groups: submitted to the scheduler, passed on to be scored as each finishes, and complete
/// when each is scored or has failed.
/// </summary>
/// <param name="plan">The groups.</param>
/// <param name="scheduler">Gets the groups.</param>
/// <param name="rewards">Scores them.</param>
/// <param name="required">The weights that the round is sampled with: decoders that hold others get nothing of it.</param>
/// <param name="maxTokens">The most tokens of a completion.</param>
/// <param name="time">Measures the round.</param>
internal sealed class RolloutRound(
    RoundPlan plan, IActorRef scheduler, IActorRef rewards, Policy required, int maxTokens, TimeProvider time)
{
    private readonly IEnumerator<(PromptItem Item, GroupRequest Request)> _draws = plan.Groups.GetEnumerator();
    private readonly long _started = time.GetTimestamp();
    private readonly Submitter _submitter = new(scheduler, required);

    /// <summary>The groups and what has come of them.</summary>
    public RoundGroups Groups { get; } = new(plan.Keeps);

    /// <summary>Seconds since the round began.</summary>
    public double Seconds => time.GetElapsedTime(_started).TotalSeconds;

    /// <summary>How long no group has made a token or got a reward.</summary>
    public TimeSpan QuietTime => _submitter.QuietTime;

    /// <summary>Has the trainer's timers send it <see cref="Submitter.Tick"/>s until <see cref="Close"/>.</summary>
    public void Start(ITimerScheduler timers) => _submitter.Start(timers);

    /// <summary>
    /// Submits the groups that are to be drawn by now. Returns those that can't be submitted, each before the next is drawn:
    /// once it has failed, another is drawn for it.
    /// </summary>
    public IEnumerable<GroupFailed> Draw()
    {
        while (Groups.OpenOrKept < plan.Wanted && _draws.MoveNext())
        {
            var (item, request) = _draws.Current;
            Groups.Expect(item, request);
            if (_submitter.Submit(request) is { } failed)
                yield return failed;
        }
    }

    /// <summary>Follows what the scheduler says. Returns a group's failure.</summary>
    public GroupFailed? Receive(IClientMessage message)
    {
        var outcome = _submitter.Receive(message);
        if (outcome is GroupFinished group && Groups.Finish(group) is { } item)
            rewards.Tell(new ScoreGroup(item, group, maxTokens));
        if (outcome is not null)
            _submitter.Acknowledge(outcome);
        return outcome as GroupFailed;
    }

    /// <summary>Adds the rewards of a finished group.</summary>
    public void AddRewards(GroupScored scored)
    {
        _submitter.NoteProgress();
        Groups.AddRewards(scored);
    }

    /// <summary>Asks after groups. To be called on each <see cref="Submitter.Tick"/>.</summary>
    public void AskAgain() => _submitter.AskAgain();

    /// <summary>Ends the round: nobody wants what has not come.</summary>
    public void Close() => _submitter.Close();
}
