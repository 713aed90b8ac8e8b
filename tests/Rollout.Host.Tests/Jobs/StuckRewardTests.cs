using Rollout.Actors.Rewards;
using Rollout.Host.Invocation;
using Rollout.Host.Tests.Support;
using Xunit;

namespace Rollout.Host.Tests.Jobs;

/// <summary>A reward that never ends for some prompts, and ignores that it is told to.</summary>
public sealed class StuckReward : IRewardFunction
{
    internal static ManualResetEventSlim Released { get; } = new();

    public ValueTask<double?> ScoreAsync(ScoredSample sample, CancellationToken cancellation)
    {
        if (sample.Require("answer").EndsWith('7'))
            Released.Wait(CancellationToken.None);
        return new(sample.Completion.Length);
    }
}

public sealed class StuckRewardTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        StuckReward.Released.Set();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_run_ends_with_a_sentence_when_too_many_rewards_go_on_computing()
    {
        var (code, _, error) = await RolloutRun.RunAsync(
            "train", "--config", RolloutRun.Job("smoke.conf"),
            "--set", $"rewards=[{{ type = {typeof(StuckReward).FullName} }}]",
            "--set", "train.steps=1000000", "--set", "eval.target=0", "--set", "train.reward-timeout=100ms",
            "--set", "train.max-stuck-rewards=1", "--out", _folder.At("out"));

        Assert.Equal(ExitCodes.Failure, code);
        Assert.Contains("reward computations did not end 5 s after they were told to", error, StringComparison.Ordinal);
        Assert.Contains("train.max-stuck-rewards = 1", error, StringComparison.Ordinal);
    }
}
