using Rollout.Actors.Protocol;

namespace Rollout.Host.Serve;

/// <summary>The answers of <c>/v1/completions</c>.</summary>
internal sealed class CompletionFormat(ServedModel model, SampleRequest request) : AnswerFormat(model, request, "cmpl")
{
    private const string Kind = "text_completion";

    public override object Whole(IReadOnlyList<Choice> choices) => new
    {
        Id,
        @object = Kind,
        Created,
        model = Model.Name,
        choices = choices.Select(choice => Entry(choice, choice.Text, choice.Sampled)),
        usage = UsageOf(choices),
        policyVersion = VersionOf(choices),
    };

    public override object? Opening(Choice choice) => null;

    public override object? Part(Choice choice, string text, SampledTokens sampled) => IsSilent(choice, text) ? null : new
    {
        Id,
        @object = Kind,
        Created,
        model = Model.Name,
        choices = (object[])[Entry(choice, text, sampled)],
        policyVersion = choice.PolicyVersion,
    };

    public override object UsagePart(IReadOnlyList<Choice> choices) => new
    {
        Id,
        @object = Kind,
        Created,
        model = Model.Name,
        choices = Array.Empty<object>(),
        usage = UsageOf(choices),
        policyVersion = VersionOf(choices),
    };

    private object Entry(Choice choice, string text, SampledTokens sampled) => new
    {
        choice.Index,
        text,
        logprobs = Request.HasLogprobs ? Logprobs(sampled) : null,
        finishReason = Word(choice),
        choice.PolicyVersion,
        tokenIds = TokenIds(sampled),
        promptTokenIds = PromptTokenIds(choice),
    };

    private object Logprobs(SampledTokens sampled) => new
    {
        tokens = sampled.Tokens.Select(id => TokenTexts.Of(Model.Tokenizer, id)),
        tokenLogprobs = sampled.Logprobs,
    };
}
