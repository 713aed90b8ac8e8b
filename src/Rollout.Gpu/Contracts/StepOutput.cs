namespace Rollout.Gpu.Contracts;

/// <summary>What a step sampled, in the order of the batch's draws. Reused by the runner's next step.</summary>
public sealed class StepOutput
{
    /// <summary>[draws] the sampled tokens.</summary>
    public int[] Tokens { get; set; } = [];

    /// <summary>
    /// [draws] their log-probabilities (natural) under the temperature-scaled distribution before any
    /// filter; at temperature 0 under the unscaled one.
    /// </summary>
    public float[] Logprobs { get; set; } = [];

    /// <summary>Valid entries.</summary>
    public int Count { get; set; }

    /// <summary>Time in the model's forward and in sampling, for the share that everything else takes.</summary>
    public TimeSpan ForwardTime { get; set; }

    public TimeSpan SamplingTime { get; set; }
}
