using Rollout.Actors.Rewards;

namespace Rollout.Actors.Tests.Support;

/// <summary>A reward function in a line.</summary>
public sealed class FakeReward(Func<ScoredSample, CancellationToken, ValueTask<double?>> score) : IRewardFunction
{
    public ValueTask<double?> ScoreAsync(ScoredSample sample, CancellationToken cancellation) =>
        score(sample, cancellation);

    /// <summary>The only function of a run.</summary>
    public static RewardSet Only(Func<ScoredSample, CancellationToken, ValueTask<double?>> score) =>
        new(new NamedReward("fake", 1, new FakeReward(score)));
}
