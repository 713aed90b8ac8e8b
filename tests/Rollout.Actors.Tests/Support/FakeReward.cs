using Rollout.Actors.Rewards;

namespace Rollout.Actors.Tests.Support;

/// <summary>A reward function in a line.</summary>
public sealed class FakeReward(Func<ScoredSample, CancellationToken, ValueTask<double>> score) : IRewardFunction
{
    public ValueTask<double> ScoreAsync(ScoredSample sample, CancellationToken cancellation) =>
        score(sample, cancellation);
}
