using Rollout.Actors.Settings;

namespace Rollout.Actors.Rewards;

/// <summary>One reward function of a run.</summary>
/// <param name="Name">Names it in messages, metrics and rollouts.</param>
/// <param name="Weight">The factor of the reward; may be negative.</param>
/// <param name="Function">Judges completions.</param>
public sealed record NamedReward(string Name, double Weight, IReward Function);

/// <summary>
/// The reward functions of a run. A sample's reward is the sum of weight × reward over the functions that judge it, as
/// TRL's nansum; NaN where none does. Disposes of functions that hold processes or connections.
/// </summary>
public sealed class RewardSet : IDisposable
{
    /// <exception cref="ArgumentException">There is no function, or a weight is not finite.</exception>
    public RewardSet(params IEnumerable<NamedReward> rewards)
    {
        Functions = [.. rewards];
        if (Functions.Count == 0)
            throw new ArgumentException("there is no reward function; expected at least one");
        if (Functions.FirstOrDefault(reward => !double.IsFinite(reward.Weight)) is { } wrong)
            throw new ArgumentException($"reward {wrong.Name}: weight {wrong.Weight} is not a finite number");
    }

    /// <summary>The functions in the order of the configuration.</summary>
    public IReadOnlyList<NamedReward> Functions { get; }

    /// <summary>Makes the configured functions.</summary>
    /// <param name="settings">At least one.</param>
    /// <param name="maxTokens">The most tokens of a completion.</param>
    /// <exception cref="ConfigurationException">A function is unknown, or one of its options is missing or wrong.</exception>
    public static RewardSet Create(IReadOnlyList<RewardSettings> settings, int maxTokens) =>
        new(settings.Select(reward =>
            new NamedReward(reward.Name, reward.Weight, RewardRegistry.Create(reward, maxTokens))));

    /// <summary>The weighted sum of one sample's rewards, NaN where no function judges it.</summary>
    /// <param name="values">A reward a function, NaN where it does not judge the sample.</param>
    public double Sum(IEnumerable<double> values)
    {
        var (sum, judged) = (0.0, false);
        foreach (var (reward, value) in Functions.Zip(values))
        {
            if (double.IsNaN(value))
                continue;
            sum += reward.Weight * value;
            judged = true;
        }
        return judged ? sum : double.NaN;
    }

    public void Dispose()
    {
        foreach (var reward in Functions)
            (reward.Function as IDisposable)?.Dispose();
    }
}
