using Akka.Actor;
using Rollout.Actors.Collection;
using Rollout.Actors.Data;
using Rollout.Actors.Protocol;

namespace Rollout.Actors.Training;

/// <summary>
/// One round of groups on their way: submitted to the scheduler, passed to the rewards as they come, and submitted
/// again when nothing has come for a while (a message may be lost where a scheduler changes; ids make it harmless).
/// </summary>
internal sealed class RolloutRound(IActorRef scheduler, IActorRef rewards, int maxTokens, TimeProvider time)
{
    private readonly long _started = time.GetTimestamp();
    private int _answers;
    private int _answersBefore;

    /// <summary>What has come.</summary>
    public RolloutBuffer Groups { get; } = new();

    /// <summary>Since the round began.</summary>
    public double Seconds => time.GetElapsedTime(_started).TotalSeconds;

    public void Submit((PromptItem Item, GroupRequest Request) group)
    {
        Groups.Expect(group.Item, group.Request);
        scheduler.Tell(new SubmitGroup(group.Request));
    }

    public void Finish(GroupFinished group)
    {
        _answers++;
        if (Groups.Finish(group) is { } item)
            rewards.Tell(new ScoreGroup(item, group, maxTokens));
    }

    /// <summary>To be called in equal intervals.</summary>
    public void ResubmitIfSilent()
    {
        if (_answers == _answersBefore)
        {
            foreach (var request in Groups.Undecoded)
                scheduler.Tell(new SubmitGroup(request));
        }
        _answersBefore = _answers;
    }

    /// <summary>Nobody wants what has not come.</summary>
    public void Cancel() => scheduler.Tell(new CancelGroups([.. Groups.Open]));
}
