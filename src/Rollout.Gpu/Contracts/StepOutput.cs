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

    /// <summary>
    /// [draws] log μ: the tokens' natural log-probabilities under the distribution that was drawn from, which is that of
    /// <see cref="Logprobs"/> with the filtered tokens at 0 and the others divided by their sum. Valid for draws whose
    /// parameters filter; for others it is that of <see cref="Logprobs"/> and is not written. Empty until a draw filters.
    /// </summary>
    public float[] SamplingLogprobs { get; set; } = [];

    /// <summary>The number of valid entries.</summary>
    public int Count { get; set; }

    /// <summary>Time in the model's forward pass; on a GPU the whole step's.</summary>
    public TimeSpan ForwardTime { get; set; }

    public TimeSpan SamplingTime { get; set; }
}
