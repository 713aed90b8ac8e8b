using Akka.Actor;
using Rollout.Actors.Client;
using Rollout.Actors.Collection;
using Rollout.Actors.Data;
using Rollout.Actors.Protocol;
using Rollout.Actors.Protocol.Wire;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Training;

/// <summary>
/// One round of groups on their way: submitted to the scheduler, kept until they have come whatever happens to it
/// (<see cref="Submissions"/>), and passed to the rewards.
/// </summary>
/// <param name="scheduler">Gets the groups.</param>
/// <param name="rewards">Scores them.</param>
/// <param name="required">The weights that the round is sampled with: decoders that hold others get nothing of it.</param>
/// <param name="maxTokens">Of a completion.</param>
/// <param name="time">What the round's time is measured with.</param>
internal sealed class RolloutRound(
    IActorRef scheduler, IActorRef rewards, Policy required, int maxTokens, TimeProvider time)
{
    /// <summary>Ticks between two questions to the scheduler, whose answer says when it is another one.</summary>
    private const int AskEvery = 4;

    private readonly long _started = time.GetTimestamp();
    private readonly Submissions _submissions = new();
    private int _ticks;

    /// <summary>What has come.</summary>
    public RolloutBuffer Groups { get; } = new();

    /// <summary>Since the round began.</summary>
    public double Seconds => time.GetElapsedTime(_started).TotalSeconds;

    /// <summary>Submits a group. Gives one that failed at once.</summary>
    public GroupFailed? Submit((PromptItem Item, GroupRequest Request) group)
    {
        Groups.Expect(group.Item, group.Request);
        if (WireLimits.WhyTooLarge(group.Request) is { } reason)
            return new GroupFailed(group.Request.Id, reason);
        _submissions.Add(group.Request, required);
        SendAll();
        return null;
    }

    /// <summary>Takes what the scheduler said. Gives a group that failed.</summary>
    public GroupFailed? Take(IClientMessage message)
    {
        var outcome = _submissions.Take(message);
        if (outcome is GroupFinished group && Groups.Finish(group) is { } item)
            rewards.Tell(new ScoreGroup(item, group, maxTokens));
        if (outcome is not null)
            _submissions.Read(outcome);
        Acknowledge(all: message is OutcomesKept);
        SendAll();
        return outcome as GroupFailed;
    }

    /// <summary>To be called every second.</summary>
    public void Tick()
    {
        if (++_ticks % AskEvery == 0)
            scheduler.Tell(new QueryScheduler(_submissions.Epoch));
        _submissions.Tick();
        Acknowledge(all: true);
        SendAll();
    }

    /// <summary>The round is over: nobody wants what has not come.</summary>
    public void Close()
    {
        Acknowledge(all: true);
        if (_submissions.Count > 0)
            scheduler.Tell(new CancelGroups(_submissions.Open));
    }

    private void SendAll()
    {
        foreach (var submit in _submissions.TakeSendable())
            scheduler.Tell(submit);
    }

    private void Acknowledge(bool all)
    {
        if (_submissions.TakeAcknowledgement(all) is { } taken)
            scheduler.Tell(taken);
    }
}
