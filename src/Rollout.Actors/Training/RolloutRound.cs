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

    /// <summary>The groups and what has come of them.</summary>
    public RoundGroups Groups { get; } = new(plan.Keeps);

    /// <summary>Submits the groups; the trainer passes its ticks on.</summary>
    public Submitter Submitter { get; } = new(scheduler, required);

    /// <summary>Seconds since the round began.</summary>
    public double Seconds => time.GetElapsedTime(_started).TotalSeconds;

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
            if (Submitter.Submit(request) is { } failed)
                yield return failed;
        }
    }

    /// <summary>Follows what the scheduler says. Returns a group's failure.</summary>
    public GroupFailed? Receive(IClientMessage message)
    {
        var outcome = Submitter.Receive(message);
        if (outcome is GroupFinished group && Groups.Finish(group) is { } item)
            rewards.Tell(new ScoreGroup(item, group, maxTokens));
        if (outcome is not null)
            Submitter.Acknowledge(outcome);
        return outcome as GroupFailed;
    }

    /// <summary>Adds the rewards of a finished group.</summary>
    public void AddRewards(GroupScored scored)
    {
        Submitter.NoteProgress();
        Groups.AddRewards(scored);
    }
}
