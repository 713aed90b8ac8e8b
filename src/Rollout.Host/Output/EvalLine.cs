using System.Text.Json.Serialization;
using Rollout.Actors.Data;
using Rollout.Actors.Protocol;

namespace Rollout.Host.Output;

/// <summary>One sample of an evaluation: a line of eval.jsonl.</summary>
internal sealed record EvalLine
{
    /// <summary>The training step that the evaluation followed; 0 is before training.</summary>
    public required int Step { get; init; }

    /// <summary>The name of the held-out set.</summary>
    public required string Set { get; init; }

    /// <summary>The prompt: file and line, or the problem.</summary>
    public required string Id { get; init; }

    /// <summary>0 is the greedy sample; the others are drawn at eval.temperature.</summary>
    public required int Sample { get; init; }

    /// <summary>The version that sampled its last token.</summary>
    public required int PolicyVersion { get; init; }

    /// <summary>The prompt's dataset in a mix; absent without a mix.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Dataset { get; init; }

    public required string Prompt { get; init; }

    /// <summary>The decoded text, without special tokens.</summary>
    public required string Completion { get; init; }

    /// <summary>Sampled tokens, the stop token included.</summary>
    public required int Tokens { get; init; }

    /// <summary>"stop" or "length".</summary>
    public required string FinishReason { get; init; }

    /// <summary>Whether the reward reaches eval.right-at.</summary>
    public required bool Right { get; init; }

    /// <summary>The weighted sum of the reward functions; null where none judges the sample.</summary>
    public required double Reward { get; init; }

    /// <summary>Each function's value before its weight; null where it does not judge the sample.</summary>
    public Dictionary<string, double> Rewards { get; init; } = [];

    /// <summary>The lines of an evaluation: set by set, prompt by prompt.</summary>
    /// <param name="step">The training step that it followed.</param>
    /// <param name="evaluation">Its sets.</param>
    public static IEnumerable<EvalLine> Of(int step, Evaluation evaluation) =>
        from set in evaluation.Sets
        from @group in set.Groups
        let scored = @group.Scored
        from completion in scored.Group.Completions
        select new EvalLine
        {
            Step = step,
            Set = set.Name,
            Id = scored.Item.Id,
            Sample = completion.Sample,
            PolicyVersion = completion.Sampled.Versions[^1].Version.Value,
            Dataset = scored.Item.Fields.GetValueOrDefault(PromptMix.DatasetField),
            Prompt = scored.Item.Prompt,
            Completion = scored.Texts[completion.Sample],
            Tokens = completion.Tokens.Length,
            FinishReason = completion.Reason.ToString().ToLowerInvariant(),
            Right = @group.Right[completion.Sample],
            Reward = scored.Rewards[completion.Sample],
            Rewards = scored.ByFunction.ToDictionary(
                function => function.Name, function => function.Values[completion.Sample]),
        };
}
