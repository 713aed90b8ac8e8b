using System.Text.Json;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Rollout.Host.Input;

namespace Rollout.Host.Serve;

/// <summary>Reads the requests of OpenAI's API, with vLLM's additions. What can't be done is refused rather than ignored.</summary>
internal sealed class RequestReader(ServedModel model, int maxSamples)
{
    private const int MostStops = 16;

    /// <summary>Fields of OpenAI's API that change no token.</summary>
    private static readonly string[] Ignored =
        ["user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "parallel_tool_calls"];

    /// <summary>Fields that are refused unless they have the value that changes nothing.</summary>
    private static readonly (string Name, Func<JsonElement, bool> IsNeutral)[] Unsupported =
    [
        ("best_of", value => JsonFields.Whole(value, 1, 1) is not null),
        ("echo", value => value.ValueKind == JsonValueKind.False),
        ("suffix", value => value.ValueKind == JsonValueKind.String && value.GetString() is ""),
        ("presence_penalty", IsZero),
        ("frequency_penalty", IsZero),
        ("repetition_penalty", value => value.ValueKind == JsonValueKind.Number && value.GetDouble() == 1),
        ("logit_bias", value => value.ValueKind == JsonValueKind.Object && !value.EnumerateObject().Any()),
        ("min_tokens", IsZero),
        ("tools", value => value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 0),
        ("tool_choice", value => value.ValueKind == JsonValueKind.String && value.GetString() is "none" or "auto"),
        ("functions", value => value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 0),
        ("response_format", value => value.ValueKind == JsonValueKind.Object
            && value.TryGetProperty("type", out var type) && type.ValueKind == JsonValueKind.String && type.ValueEquals("text")),
        ("top_logprobs", IsZero),
    ];

    private readonly PromptEncoder _prompts = new(model);

    /// <exception cref="ApiException">A field can't be used.</exception>
    public SampleRequest ReadCompletion(RequestBody body, CancellationToken cancellation)
    {
        var prompt = body.Find("prompt") ?? throw ApiException.Invalid("prompt", "The request has no prompt.");
        // OpenAI's API gives the k most probable tokens besides; the engine knows the sampled token's alone.
        var logprobs = body.Whole("logprobs", 0, 0);
        return Read(body, _prompts.Prompts(prompt, cancellation), body.Whole("max_tokens", 1, int.MaxValue), logprobs is not null);
    }

    /// <exception cref="ApiException">A field can't be used.</exception>
    public SampleRequest ReadChat(RequestBody body, CancellationToken cancellation)
    {
        var messages = body.Find("messages") ?? throw ApiException.Invalid("messages", "The request has no messages.");
        return Read(body, [Conversation(body, messages, cancellation)], ReadMaxTokens(body), body.Flag("logprobs"));
    }

    /// <summary>Reads the request of a group: a prompt or messages, answered with everything that is known of its samples.</summary>
    /// <exception cref="ApiException">A field can't be used.</exception>
    public SampleRequest ReadRollout(RequestBody body, CancellationToken cancellation)
    {
        if ((body.Find("prompt") is null) == (body.Find("messages") is null))
            throw ApiException.Invalid("prompt", "The request must have either prompt or messages.");
        var prompts = body.Find("prompt") is { } prompt
            ? _prompts.Prompts(prompt, cancellation)
            : [Conversation(body, body.Find("messages")!.Value, cancellation)];
        if (prompts.Length != 1)
            throw ApiException.Invalid("prompt", "The request must have one prompt, as its samples are one group.");
        var request = Read(body, prompts, ReadMaxTokens(body), hasLogprobs: true, streams: body.Find("stream") is null);
        return request with { HasTokenIds = true, IncludesUsage = true };
    }

    private static int? ReadMaxTokens(RequestBody body)
    {
        var most = body.Whole("max_completion_tokens", 1, int.MaxValue);
        var older = body.Whole("max_tokens", 1, int.MaxValue);
        return most ?? older;
    }

    private int[] Conversation(RequestBody body, JsonElement messages, CancellationToken cancellation)
    {
        var thinks = body.Section("chat_template_kwargs") is not { } format || format.Find("enable_thinking") is not { } on
            || on.ValueKind != JsonValueKind.False;
        return _prompts.Conversation(messages, thinks, cancellation);
    }

    private static bool IsZero(JsonElement value) => value.ValueKind == JsonValueKind.Number && value.GetDouble() == 0;

    private SampleRequest Read(RequestBody body, int[][] prompts, int? maxTokens, bool hasLogprobs, bool streams = false)
    {
        RequireModel(body);
        foreach (var name in Ignored)
            body.Ignore(name);
        foreach (var (name, isNeutral) in Unsupported)
        {
            if (body.Find(name) is { } value && !isNeutral(value))
                throw ApiException.Invalid(name, $"{name} is not supported, except with the value that changes nothing.", "unsupported");
        }
        streams |= body.Flag("stream");
        var count = body.Whole("n", 1, maxSamples) ?? 1;
        if ((long)count * prompts.Length > maxSamples)
        {
            throw ApiException.Invalid(
                "n", $"The request asks for {(long)count * prompts.Length} samples, and the server takes {maxSamples} at once.");
        }
        var sampling = ReadSampling(body);
        return new SampleRequest
        {
            Groups = [.. prompts.Select((prompt, i) => Group(i + 1, prompt, count, sampling, maxTokens, streams))],
            Streams = streams,
            IncludesUsage = body.Section("stream_options") is { } options && options.Flag("include_usage"),
            HasLogprobs = hasLogprobs,
            HasTokenIds = body.Flag("return_token_ids"),
        };
    }

    private GroupRequest Group(int id, int[] prompt, int count, SamplingParams sampling, int? maxTokens, bool streams)
    {
        var fits = model.MaxModelLength - prompt.Length;
        if (maxTokens > fits)
        {
            throw ApiException.Invalid(
                "max_tokens",
                $"The prompt has {prompt.Length} tokens, and with {maxTokens} new ones (max_tokens) it exceeds the model's"
                + $" {model.MaxModelLength}.",
                "context_length_exceeded");
        }
        var samples = new SamplingParams[count];
        Array.Fill(samples, sampling with { MaxTokens = maxTokens ?? fits });
        return new GroupRequest(new GroupId(id), prompt, samples, streams);
    }

    private SamplingParams ReadSampling(RequestBody body)
    {
        var defaults = model.Sampling;
        var stops = ReadStops(body);
        var stopIds = body.Find("stop_token_ids") is not { } ids ? []
            : JsonFields.WholeNumbers(ids, 0, model.Files.Config.VocabSize - 1)
                ?? throw body.Wrong("stop_token_ids", $"a list of token ids from 0 to {model.Files.Config.VocabSize - 1}");
        return defaults with
        {
            Temperature = (float)(body.Number("temperature", 0, 100) ?? defaults.Temperature),
            TopK = body.Whole("top_k", -1, int.MaxValue) is { } k ? Math.Max(k, 0) : defaults.TopK,
            TopP = (float)(body.Number("top_p", float.Epsilon, 1) ?? defaults.TopP),
            MinP = (float)(body.Number("min_p", 0, 1) ?? defaults.MinP),
            StopTexts = stops,
            StopTokenIds = [.. body.Flag("ignore_eos") ? [] : defaults.StopTokenIds, .. stopIds],
            Seed = (ulong)(body.Whole64("seed") ?? Random.Shared.NextInt64()),
        };
    }

    private string[] ReadStops(RequestBody body)
    {
        if (body.Find("stop") is not { } stop)
            return [];
        var list = stop.ValueKind == JsonValueKind.Array ? [.. stop.EnumerateArray()] : (JsonElement[])[stop];
        if (list.Length > MostStops || list.Any(text => text.ValueKind != JsonValueKind.String || text.GetString() is ""))
            throw body.Wrong("stop", $"a text of at least one character, or a list of at most {MostStops} of them");
        if (list.Length > 0 && model.Tokenizer is null)
            throw ApiException.Invalid("stop", "The model has no tokenizer: stop needs one.", "no_tokenizer");
        return [.. list.Select(text => text.GetString()!)];
    }

    private void RequireModel(RequestBody body)
    {
        var asked = body.Text("model") ?? throw ApiException.Invalid("model", "The request names no model.");
        if (asked != model.Name)
            throw UnknownModel(asked);
    }

    /// <summary>The error for a model that is not served.</summary>
    public static ApiException UnknownModel(string name) =>
        new(404, $"The model '{JsonFields.Shorten(name)}' does not exist here.") { Field = "model", Code = "model_not_found" };
}
