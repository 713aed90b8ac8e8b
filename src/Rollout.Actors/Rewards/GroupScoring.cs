using Akka.Actor;
using Rollout.Actors.Protocol;

namespace Rollout.Actors.Rewards;

/// <summary>A group that is being scored: its samples, and the rewards that have come so far.</summary>
internal sealed class GroupScoring
{
    private readonly RewardSet _rewards;
    private readonly double[][] _values; // [function][sample]
    private int _missing;

    /// <param name="asked">What to score.</param>
    /// <param name="asker">Gets the answer.</param>
    /// <param name="samples">The completions, decoded.</param>
    /// <param name="rewards">The functions that score them.</param>
    public GroupScoring(ScoreGroup asked, IActorRef asker, ScoredSample[] samples, RewardSet rewards)
    {
        (Asked, Asker, Samples, _rewards) = (asked, asker, samples, rewards);
        _values = [.. rewards.Functions.Select(_ => new double[samples.Length])];
        _missing = rewards.Functions.Count * samples.Length;
    }

    public ScoreGroup Asked { get; }

    public IActorRef Asker { get; }

    public ScoredSample[] Samples { get; }

    /// <summary>The group is answered: what still comes for it is dropped.</summary>
    public bool IsOver { get; private set; }

    /// <summary>Keeps a reward. Answers the group when it was the last one.</summary>
    public void Add(int function, int sample, double? value)
    {
        if (IsOver)
            return;
        _values[function][sample] = value ?? double.NaN;
        if (--_missing > 0)
            return;
        IsOver = true;
        Asker.Tell(new GroupScored(
            Asked.Group.Id,
            [.. Samples.Select((_, i) => _rewards.Sum(_values.Select(values => values[i])))],
            [.. Samples.Select(scored => scored.Completion)])
        {
            ByFunction = [.. _rewards.Functions.Zip(_values, (reward, values) => new RewardValues(reward.Name, values))],
        });
    }

    /// <summary>Answers that the group has failed, once.</summary>
    public void Fail(string reason)
    {
        if (!IsOver)
            Asker.Tell(new ScoringFailed(Asked.Group.Id, reason));
        IsOver = true;
    }
}
