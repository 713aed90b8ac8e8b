using Rollout.Actors.Protocol;

namespace Rollout.Host.Serve;

/// <summary>
/// The answers of <c>/v1/rollouts</c>: a group's samples, each whole and as soon as it has finished, in the words of generate's
/// output.
/// </summary>
internal sealed class RolloutFormat(ServedModel model, SampleRequest request) : AnswerFormat(model, request, "rollout")
{
    public override object Whole(IReadOnlyList<Choice> choices) => new
    {
        Id,
        @object = "rollout",
        Created,
        model = Model.Name,
        promptTokenIds = PromptTokenIds(choices[0]),
        samples = choices.Select(Entry),
        usage = UsageOf(choices),
        policyVersion = VersionOf(choices),
    };

    public override object? Opening(Choice choice) => null;

    public override object? Part(Choice choice, string text, SampledTokens sampled) =>
        choice.Finished is null ? null : Entry(choice);

    public override object UsagePart(IReadOnlyList<Choice> choices) => new
    {
        Id,
        @object = "rollout.end",
        Created,
        model = Model.Name,
        promptTokenIds = PromptTokenIds(choices[0]),
        usage = UsageOf(choices),
        policyVersion = VersionOf(choices),
    };

    private object Entry(Choice choice)
    {
        var sampled = choice.Sampled;
        return new
        {
            Id,
            @object = "rollout.sample",
            sample = choice.Index,
            tokenIds = sampled.Tokens,
            logprobs = sampled.Logprobs,
            samplingLogprobs = sampled.SamplingLogprobs,
            finishReason = Word(choice),
            policyVersion = choice.PolicyVersion,
            policyVersions = sampled.Versions.Select(span => new { span.Start, version = span.Version.Value }),
            text = Model.Tokenizer is null ? null : choice.Text,
        };
    }
}
