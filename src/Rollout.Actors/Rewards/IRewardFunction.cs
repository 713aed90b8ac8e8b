namespace Rollout.Actors.Rewards;

/// <summary>
/// A reward function: an <see cref="IRewardFunction"/>, <see cref="IGroupReward"/> or <see cref="IBatchReward"/>. The
/// configuration names it by its type. Calls run off the mailbox, several at a time.
/// </summary>
public interface IReward;

/// <summary>Scores one sample.</summary>
public interface IRewardFunction : IReward
{
    /// <summary>
    /// The reward; null where the function does not judge this sample. An exception fails the group with its message; a
    /// <see cref="RetryableRewardException"/> is tried again first.
    /// </summary>
    /// <param name="sample">The completion and its prompt.</param>
    /// <param name="cancellation">
    /// Cancelled at <c>train.reward-timeout</c>: return or throw then. The run ends when too many functions do neither.
    /// </param>
    ValueTask<double?> ScoreAsync(ScoredSample sample, CancellationToken cancellation);
}

/// <summary>Scores all samples of a group together, for rewards that compare them.</summary>
public interface IGroupReward : IReward
{
    /// <summary>A reward for each sample, in their order; null where the function does not judge one.</summary>
    /// <param name="group">All samples of one prompt.</param>
    /// <param name="cancellation">As in <see cref="IRewardFunction.ScoreAsync"/>.</param>
    ValueTask<IReadOnlyList<double?>> ScoreAsync(IReadOnlyList<ScoredSample> group, CancellationToken cancellation);
}

/// <summary>
/// Scores samples of several groups together, for rewards that are faster so. If a batch fails, each of its groups is
/// scored again by itself, so that a bad sample fails its own group only.
/// </summary>
public interface IBatchReward : IReward
{
    /// <summary>How samples are gathered into batches.</summary>
    BatchLimits Limits { get; }

    /// <summary>A reward for each sample, in their order; null where the function does not judge one.</summary>
    /// <param name="batch">1 … <see cref="BatchLimits.Samples"/> samples.</param>
    /// <param name="cancellation">As in <see cref="IRewardFunction.ScoreAsync"/>.</param>
    ValueTask<IReadOnlyList<double?>> ScoreAsync(IReadOnlyList<ScoredSample> batch, CancellationToken cancellation);
}

/// <summary>How samples are gathered into batches.</summary>
/// <param name="Samples">The most samples of a batch.</param>
/// <param name="Wait">The longest time that a sample waits for the batch to fill.</param>
/// <param name="AtOnce">Batches scored at once; <c>train.reward-concurrency</c> bounds them too.</param>
public sealed record BatchLimits(int Samples, TimeSpan Wait, int AtOnce = int.MaxValue);

/// <summary>
/// A reward failed for a passing reason, such as a judge that is overloaded. The same call is tried again after a pause,
/// up to <c>train.reward-tries</c> times in all.
/// </summary>
/// <param name="message">Why, for the error if no try is left.</param>
/// <param name="after">The shortest pause before the next try; null leaves it to <c>train.reward-retry-wait</c>.</param>
/// <param name="cause">What was thrown.</param>
public sealed class RetryableRewardException(string message, TimeSpan? after = null, Exception? cause = null)
    : Exception(message, cause)
{
    /// <summary>The shortest pause before the next try.</summary>
    public TimeSpan? After { get; } = after;
}
