using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;
using Rollout.Actors.Data;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Host.Output;

/// <summary>
/// A sample with its reward: what a line of rollouts.jsonl and one of eval.jsonl both say. The properties' numbers order a
/// line's fields.
/// </summary>
public abstract record SampleLine
{
    /// <summary>A line that is read.</summary>
    protected SampleLine()
    {
    }

    /// <param name="step">The training step.</param>
    /// <param name="scored">The sample's group.</param>
    /// <param name="completion">The sample.</param>
    [SetsRequiredMembers]
    protected SampleLine(int step, ScoredGroup scored, Completion completion)
    {
        Step = step;
        Sample = completion.Sample;
        PolicyVersion = completion.Sampled.Versions[^1].Version.Value;
        Dataset = scored.Item.Fields.GetValueOrDefault(PromptMix.DatasetField);
        Prompt = scored.Item.Prompt;
        Answer = scored.Item.Fields.GetValueOrDefault("answer");
        Text = scored.Texts[completion.Sample];
        FinishReason = completion.Reason.ToWord();
        Reward = scored.Rewards[completion.Sample];
        Rewards = scored.ByFunction.ToDictionary(function => function.Name, function => function.Values[completion.Sample]);
    }

    /// <summary>The training step that it was sampled for, or that its evaluation followed; 0 is before training.</summary>
    [JsonPropertyOrder(0)]
    public required int Step { get; init; }

    /// <summary>From 0. In an evaluation, 0 is greedy, and the others are drawn at eval.temperature.</summary>
    [JsonPropertyOrder(2)]
    public required int Sample { get; init; }

    /// <summary>The version that sampled its last token.</summary>
    [JsonPropertyOrder(2)]
    public required int PolicyVersion { get; init; }

    /// <summary>The prompt's dataset in a mix; absent without a mix.</summary>
    [JsonPropertyOrder(2)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Dataset { get; init; }

    [JsonPropertyOrder(2)]
    public required string Prompt { get; init; }

    /// <summary>The prompt's field of this name; absent where it has none.</summary>
    [JsonPropertyOrder(2)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Answer { get; init; }

    /// <summary>The decoded tokens, without special ones.</summary>
    [JsonPropertyOrder(2)]
    public required string Text { get; init; }

    /// <summary>"stop" or "length".</summary>
    [JsonPropertyOrder(4)]
    public required string FinishReason { get; init; }

    /// <summary>The weighted sum of the reward functions; null where none judges the sample.</summary>
    [JsonPropertyOrder(6)]
    public required double Reward { get; init; }

    /// <summary>What each reward function gave, by its name, before weights; null where it does not judge the sample.</summary>
    [JsonPropertyOrder(6)]
    public Dictionary<string, double> Rewards { get; init; } = [];
}
