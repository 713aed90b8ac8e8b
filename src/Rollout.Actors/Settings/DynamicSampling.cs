namespace Rollout.Actors.Settings;

/// <summary>The keys of dynamic sampling in the section <c>train</c>: groups without signal are replaced.</summary>
public sealed record DynamicSampling
{
    /// <summary>The metric that is the sum of all reward functions.</summary>
    public const string RewardMetric = "reward";

    public required bool Enabled { get; init; }

    /// <summary><see cref="RewardMetric"/>, or the name of the reward function whose values must differ in a group.</summary>
    public required string Metric { get; init; }

    /// <summary>The most groups that a step draws, in multiples of <c>prompts-per-step</c>.</summary>
    public required int MaxGenerationBatches { get; init; }

    /// <summary>What a group needs, as messages name it.</summary>
    internal string Signal => Metric == RewardMetric ? "different rewards" : $"different values of {Metric}";

    /// <summary>The bound on what is drawn, as messages name it.</summary>
    internal string Bound => $"train.max-generation-batches = {MaxGenerationBatches}";

    public static DynamicSampling From(ConfigSection section) => new()
    {
        Enabled = section.Bool("dynamic-sampling"),
        Metric = section.NonEmptyText("dynamic-sampling-metric"),
        MaxGenerationBatches = section.Whole("max-generation-batches", Bounds.AtLeast(1)),
    };

    /// <summary>Refuses a metric that no reward function has.</summary>
    /// <param name="section">The section that this was read from.</param>
    /// <param name="rewards">The names of the reward functions.</param>
    /// <exception cref="ConfigurationException">None of them is the metric.</exception>
    public void RequireMetric(ConfigSection section, IEnumerable<string> rewards)
    {
        string[] known = [RewardMetric, .. rewards];
        if (Enabled && !known.Contains(Metric))
            throw section.Invalid("dynamic-sampling-metric", $"one of {string.Join(", ", known)}, as rewards name them");
    }
}
