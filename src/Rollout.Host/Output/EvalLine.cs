using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;
using Rollout.Actors.Protocol;

namespace Rollout.Host.Output;

/// <summary>A line of eval.jsonl.</summary>
internal sealed record EvalLine : SampleLine
{
    [JsonConstructor]
    public EvalLine()
    {
    }

    [SetsRequiredMembers]
    private EvalLine(int step, string set, EvaluatedGroup group, Completion completion)
        : base(step, group.Scored, completion)
    {
        Set = set;
        Id = group.Scored.Item.Id;
        Tokens = completion.Tokens.Length;
        Right = group.Right[completion.Sample];
    }

    /// <summary>The name of the held-out set.</summary>
    [JsonPropertyOrder(1)]
    public required string Set { get; init; }

    /// <summary>The prompt: file and line, or the problem.</summary>
    [JsonPropertyOrder(1)]
    public required string Id { get; init; }

    /// <summary>Sampled tokens, the stop token included.</summary>
    [JsonPropertyOrder(3)]
    public required int Tokens { get; init; }

    /// <summary>Whether the reward reaches eval.right-at.</summary>
    [JsonPropertyOrder(5)]
    public required bool Right { get; init; }

    /// <summary>The lines of an evaluation: set by set, prompt by prompt.</summary>
    /// <param name="step">The training step that it followed.</param>
    /// <param name="evaluation">Its sets.</param>
    public static IEnumerable<EvalLine> Of(int step, Evaluation evaluation) =>
        from set in evaluation.Sets
        from @group in set.Groups
        from completion in @group.Scored.Group.Completions
        select new EvalLine(step, set.Name, @group, completion);
}
