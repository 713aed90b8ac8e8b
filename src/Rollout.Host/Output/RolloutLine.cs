using System.Text.Json.Serialization;

namespace Rollout.Host.Output;

/// <summary>One sample with its reward: a line of rollouts.jsonl.</summary>
public sealed record RolloutLine
{
    /// <summary>The training step that it was sampled for.</summary>
    public required int Step { get; init; }

    public required long Group { get; init; }

    /// <summary>0 … num_generations − 1.</summary>
    public required int Sample { get; init; }

    /// <summary>The version that sampled its last token.</summary>
    public required int PolicyVersion { get; init; }

    /// <summary>The prompt's dataset in a mix; absent without a mix.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Dataset { get; init; }

    public required string Prompt { get; init; }

    /// <summary>The decoded text, without special tokens.</summary>
    public required string Completion { get; init; }

    /// <summary>The sampled ids, the stop token included.</summary>
    public required int[] TokenIds { get; init; }

    /// <summary>[token_ids] natural log-probabilities after temperature, before top-k, top-p and min-p.</summary>
    public float[] Logprobs { get; init; } = [];

    /// <summary>
    /// [token_ids] the same among the tokens that top-k, top-p and min-p kept; absent where none of them is on, and these
    /// are the logprobs.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public float[]? SamplingLogprobs { get; init; }

    /// <summary>"stop" or "length".</summary>
    public required string FinishReason { get; init; }

    /// <summary>The weighted sum of the reward functions; null where none judges the sample.</summary>
    public required double Reward { get; init; }

    /// <summary>What each reward function gave, by its name, before weights; null where it does not judge the sample.</summary>
    public Dictionary<string, double> Rewards { get; init; } = [];
}
