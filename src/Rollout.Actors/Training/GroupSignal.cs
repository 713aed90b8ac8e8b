using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;

namespace Rollout.Actors.Training;

/// <summary>
/// Which groups dynamic sampling trains on: those whose samples have different values, as with equal ones every advantage in
/// the group is 0 (DAPO, arXiv:2503.14476, equation 11; verl's filter_groups).
/// </summary>
public static class GroupSignal
{
    /// <summary>
    /// True if two samples of the group differ. Samples without a value (NaN) count for nothing.
    /// </summary>
    /// <param name="group">A scored group.</param>
    /// <param name="metric"><see cref="DynamicSampling.RewardMetric"/> or the name of a reward function.</param>
    public static bool Differs(ScoredGroup group, string metric)
    {
        var values = metric == DynamicSampling.RewardMetric
            ? group.Rewards
            : group.ByFunction.Single(function => function.Name == metric).Values;
        return values.Where(value => !double.IsNaN(value)).Distinct().Skip(1).Any();
    }
}
