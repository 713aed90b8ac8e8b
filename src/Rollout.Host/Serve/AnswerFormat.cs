using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Host.Serve;

/// <summary>
/// The JSON of an answer, whole or in parts. The names of the properties are those of the API, in snake_case on the wire.
/// </summary>
internal abstract class AnswerFormat(ServedModel model, SampleRequest request, string prefix)
{
    protected ServedModel Model => model;

    protected SampleRequest Request => request;

    protected string Id { get; } = $"{prefix}-{Guid.NewGuid():N}";

    protected long Created { get; } = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();

    /// <summary>The whole answer.</summary>
    public abstract object Whole(IReadOnlyList<Choice> choices);

    /// <summary>The first part of a stream about a choice; null where it needs none.</summary>
    public abstract object? Opening(Choice choice);

    /// <summary>A part of a stream; null where there is nothing to say.</summary>
    /// <param name="choice">The choice, with the new tokens.</param>
    /// <param name="text">Its new text.</param>
    /// <param name="sampled">Its new tokens.</param>
    public abstract object? Part(Choice choice, string text, SampledTokens sampled);

    /// <summary>The last part of a stream that ends with the numbers of tokens.</summary>
    public abstract object UsagePart(IReadOnlyList<Choice> choices);

    protected object UsageOf(IReadOnlyList<Choice> choices)
    {
        var promptTokens = request.Groups.Sum(group => group.Prompt.Length);
        var completionTokens = choices.Sum(choice => choice.Count);
        return new { promptTokens, completionTokens, totalTokens = promptTokens + completionTokens };
    }

    /// <summary>The newest weights that an answer has tokens of.</summary>
    protected static int? VersionOf(IReadOnlyList<Choice> choices) => choices.Max(choice => choice.PolicyVersion);

    /// <summary>New tokens that a stream says nothing about: their text is not certain.</summary>
    protected bool IsSilent(Choice choice, string text) =>
        text.Length == 0 && choice.Finished is null && !request.HasTokenIds && !request.HasLogprobs;

    protected int[]? TokenIds(SampledTokens sampled) => request.HasTokenIds ? sampled.Tokens : null;

    protected int[]? PromptTokenIds(Choice choice) =>
        request.HasTokenIds ? request.Groups[choice.Index / request.SamplesOfPrompt].Prompt : null;

    protected static string? Word(Choice choice) => choice.Finished?.ToWord();
}
