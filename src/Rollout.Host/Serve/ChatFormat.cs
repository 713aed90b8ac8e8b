using Rollout.Actors.Protocol;

namespace Rollout.Host.Serve;

/// <summary>The answers of <c>/v1/chat/completions</c>.</summary>
internal sealed class ChatFormat(ServedModel model, SampleRequest request) : AnswerFormat(model, request, "chatcmpl")
{
    private const string Kind = "chat.completion";
    private const string PartKind = "chat.completion.chunk";
    private const string Role = "assistant";

    public override object Whole(IReadOnlyList<Choice> choices) => new
    {
        Id,
        @object = Kind,
        Created,
        model = Model.Name,
        choices = choices.Select(choice => new
        {
            choice.Index,
            message = new { role = Role, content = choice.Text },
            logprobs = Request.HasLogprobs ? Logprobs(choice.Sampled) : null,
            finishReason = Word(choice),
            choice.PolicyVersion,
            tokenIds = TokenIds(choice.Sampled),
        }),
        usage = UsageOf(choices),
        policyVersion = VersionOf(choices),
        promptTokenIds = PromptTokenIds(choices[0]),
    };

    public override object? Opening(Choice choice) => Chunk(choice, new { role = Role, content = "" }, SampledTokens.Empty);

    public override object? Part(Choice choice, string text, SampledTokens sampled) => IsSilent(choice, text)
        ? null
        : Chunk(choice, text.Length == 0 && choice.Finished is not null ? new { } : new { content = text }, sampled);

    public override object UsagePart(IReadOnlyList<Choice> choices) => new
    {
        Id,
        @object = PartKind,
        Created,
        model = Model.Name,
        choices = Array.Empty<object>(),
        usage = UsageOf(choices),
        policyVersion = VersionOf(choices),
        promptTokenIds = PromptTokenIds(choices[0]),
    };

    private object Chunk(Choice choice, object delta, SampledTokens sampled) => new
    {
        Id,
        @object = PartKind,
        Created,
        model = Model.Name,
        choices = (object[])
        [
            new
            {
                choice.Index,
                delta,
                logprobs = Request.HasLogprobs && sampled.Count > 0 ? Logprobs(sampled) : null,
                finishReason = Word(choice),
                choice.PolicyVersion,
                tokenIds = TokenIds(sampled),
            },
        ],
        policyVersion = choice.PolicyVersion,
    };

    private object Logprobs(SampledTokens sampled) => new
    {
        content = sampled.Tokens.Select((id, i) => new
        {
            token = TokenTexts.Of(Model.Tokenizer, id),
            logprob = sampled.Logprobs[i],
            bytes = TokenTexts.BytesOf(Model.Tokenizer, id),
            topLogprobs = Array.Empty<object>(),
        }),
    };
}
