using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;
using Rollout.Actors.Protocol;

namespace Rollout.Host.Output;

/// <summary>A line of rollouts.jsonl.</summary>
public sealed record RolloutLine : SampleLine
{
    [JsonConstructor]
    public RolloutLine()
    {
    }

    [SetsRequiredMembers]
    private RolloutLine(int step, ScoredGroup scored, Completion completion, float? advantage)
        : base(step, scored, completion)
    {
        Group = scored.Group.Id.Value;
        TokenIds = completion.Tokens;
        Logprobs = completion.Logprobs;
        SamplingLogprobs = completion.SamplingLogprobs;
        Advantage = advantage;
    }

    [JsonPropertyOrder(1)]
    public required long Group { get; init; }

    /// <summary>The sampled ids, the stop token included.</summary>
    [JsonPropertyOrder(3)]
    public required int[] TokenIds { get; init; }

    /// <summary>[token_ids] natural log-probabilities after temperature, before top-k, top-p and min-p.</summary>
    [JsonPropertyOrder(3)]
    public float[] Logprobs { get; init; } = [];

    /// <summary>
    /// [token_ids] the same among the tokens that top-k, top-p and min-p kept; absent where none of them is on, and these
    /// are the logprobs.
    /// </summary>
    [JsonPropertyOrder(3)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public float[]? SamplingLogprobs { get; init; }

    /// <summary>What the loss multiplies each of its tokens' terms by.</summary>
    [JsonPropertyOrder(7)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public float? Advantage { get; init; }

    /// <summary>The lines of a step: group by group.</summary>
    public static IEnumerable<RolloutLine> Of(TrainingStepFinished step) =>
        (from scored in step.Groups from completion in scored.Group.Completions select (scored, completion))
        .Select((sample, i) => new RolloutLine(
            step.Step, sample.scored, sample.completion, i < step.Train.Advantages.Length ? step.Train.Advantages[i] : null));
}
