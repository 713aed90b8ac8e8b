namespace Rollout.Gpu.Contracts;

/// <summary>What a step sampled, in the order of the batch's draws. The runner's next step reuses it.</summary>
public sealed class StepOutput
{
    /// <summary>[draws] the sampled tokens.</summary>
    public int[] Tokens { get; set; } = [];

    /// <summary>
    /// [draws] the tokens' natural log-probabilities under the temperature-scaled distribution before any filter.
    /// Greedy draws report the unscaled distribution's.
    /// </summary>
    public float[] Logprobs { get; set; } = [];

    /// <summary>The number of valid entries.</summary>
    public int Count { get; set; }

    /// <summary>Time in the model's forward pass; on a GPU the whole step's.</summary>
    public TimeSpan ForwardTime { get; set; }

    public TimeSpan SamplingTime { get; set; }
}
