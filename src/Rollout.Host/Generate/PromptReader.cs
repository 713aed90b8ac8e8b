using System.Text.Json;
using Rollout.Actors.Protocol;
using Rollout.Actors.Text;
using Rollout.Gpu.Contracts;

namespace Rollout.Host.Generate;

/// <summary>One line's object to the group that it asks for. What is wrong is said without file and line.</summary>
internal sealed class PromptReader(ModelFiles model, PromptDefaults defaults)
{
    // Beyond this, a slip of the pen is likelier than a wish.
    private const int MostSamples = 1_000_000;

    private static readonly string[] Fields = ["id", "prompt", "prompt_ids", "messages", "max_tokens", "samples"];

    /// <exception cref="InvalidDataException">A field is unknown, missing or out of its range.</exception>
    public PromptLine Read(JsonElement line, int number)
    {
        if (line.EnumerateObject().FirstOrDefault(field => !Fields.Contains(field.Name)) is { Value.ValueKind: not 0 } unknown)
            throw new InvalidDataException($"{unknown.Name} is no field of a prompt, expected {string.Join(", ", Fields)}");
        try
        {
            var id = Id(line);
            var prompt = Prompt(line);
            return new PromptLine(id, new GroupRequest(new GroupId(number), prompt, Samples(line, prompt.Length)));
        }
        catch (InvalidOperationException wrong) when (wrong.Source?.StartsWith("System.Text.Json") == true)
        {
            throw new InvalidDataException(
                "escapes one half of a surrogate pair (\\uD800 to \\uDFFF) without the other", wrong);
        }
    }

    private static JsonElement Id(JsonElement line) => line.TryGetProperty("id", out var id)
        && (id.ValueKind == JsonValueKind.Number || (id.ValueKind == JsonValueKind.String && id.GetString() is not null))
            ? id
            : throw new InvalidDataException("has no id, expected a text or a number");

    private int[] Prompt(JsonElement line)
    {
        var given = Fields[1..4].Where(field => line.TryGetProperty(field, out _)).ToArray();
        if (given is not [var field])
        {
            throw new InvalidDataException(given is []
                ? "has no prompt, expected one of prompt, prompt_ids and messages"
                : $"has {string.Join(" and ", given)}, expected only one of prompt, prompt_ids and messages");
        }
        var value = line.GetProperty(field);
        var ids = field switch
        {
            "prompt" => FromText(value),
            "messages" => FromMessages(value),
            _ => FromIds(value),
        };
        return ids.Length > 0 ? ids : throw new InvalidDataException($"{field} is empty, expected one token at least");
    }

    private int[] FromIds(JsonElement value)
    {
        var vocabulary = model.Config.VocabSize;
        return Ids(value, 0, vocabulary - 1) ?? throw new InvalidDataException(
            $"prompt_ids must be a list of token ids from 0 to {vocabulary - 1}{Stranger(value, vocabulary)}");
    }

    private static string Stranger(JsonElement value, int vocabulary) => value.ValueKind != JsonValueKind.Array
        ? ""
        : ", and holds " + value.EnumerateArray().First(one =>
            one.ValueKind != JsonValueKind.Number || !one.TryGetInt32(out var id) || id < 0 || id >= vocabulary).GetRawText();

    private int[] FromText(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.String)
            throw new InvalidDataException("prompt must be a text");
        var tokenizer = model.RequireTokenizer("a prompt of text needs");
        var text = value.GetString()!;
        return text.Length == 0 ? [] : InVocabulary([.. tokenizer.PrefixIds, .. Encode(tokenizer, text)]);
    }

    private int[] FromMessages(JsonElement value)
    {
        const string Expected = "messages must be a list of {role, content}, both texts";
        if (value.ValueKind != JsonValueKind.Array)
            throw new InvalidDataException(Expected);
        var tokenizer = model.RequireTokenizer("messages need");
        var messages = value.EnumerateArray().Select(message =>
            Text(message, "role") is { } role && Text(message, "content") is { } content
                ? new ChatMessage(role, content)
                : throw new InvalidDataException(Expected)).ToArray();
        if (messages.Length == 0)
            return [];
        try
        {
            return InVocabulary(Encode(tokenizer, model.Chat.Format(messages)));
        }
        catch (ArgumentException wrong)
        {
            throw new InvalidDataException($"messages: {wrong.Message}", wrong);
        }
    }

    private static int[] Encode(HuggingFaceTokenizer tokenizer, string text)
    {
        try
        {
            return tokenizer.Encode(text);
        }
        catch (ArgumentException wrong)
        {
            throw new InvalidDataException(wrong.Message, wrong);
        }
    }

    private int[] InVocabulary(int[] ids) => Array.Find(ids, id => id >= model.Config.VocabSize) is var stranger and > 0
        ? throw new InvalidDataException(
            $"the tokenizer gives the id {stranger}, and the model's ids end at {model.Config.VocabSize - 1}")
        : ids;

    private SamplingParams[] Samples(JsonElement line, int promptLength)
    {
        int? count = line.TryGetProperty("samples", out var samples)
            ? Whole(samples, 1, MostSamples)
                ?? throw new InvalidDataException($"samples must be a whole number from 1 to {MostSamples}")
            : null;
        var maxTokens = MaxTokens(line, count ?? defaults.Samples, saidBy: count is null ? "--samples is" : "samples is");
        if (promptLength + (long)maxTokens.Max() > defaults.MaxModelLength)
        {
            throw new InvalidDataException(
                $"its prompt has {promptLength} tokens, and with {maxTokens.Max()} new ones (max_tokens) it exceeds the"
                + $" model's {defaults.MaxModelLength}");
        }
        var ofLength = maxTokens.Distinct().ToDictionary(most => most, most => defaults.Sampling with { MaxTokens = most });
        return [.. maxTokens.Select(most => ofLength[most])];
    }

    /// <summary>[samples] new tokens of each at most.</summary>
    private int[] MaxTokens(JsonElement line, int? count, string saidBy)
    {
        if (!line.TryGetProperty("max_tokens", out var value))
            return Same(defaults.Sampling.MaxTokens);
        if (Whole(value, 1, int.MaxValue) is { } most)
            return Same(most);
        if (Ids(value, 1, int.MaxValue) is not { Length: > 0 } list)
            throw new InvalidDataException("max_tokens must be a whole number of at least 1, or a list of them, one a sample");
        return count is null || count == list.Length
            ? list
            : throw new InvalidDataException(
                $"max_tokens has {list.Length} entries and {saidBy} {count}, expected one entry a sample");

        int[] Same(int tokens) => [.. Enumerable.Repeat(tokens, count ?? 1)];
    }

    private static string? Text(JsonElement message, string field) =>
        message.ValueKind == JsonValueKind.Object && message.TryGetProperty(field, out var value)
        && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;

    private static int? Whole(JsonElement value, int least, int most) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number >= least && number <= most
            ? number
            : null;

    /// <summary>A list of whole numbers; null where it is no such list.</summary>
    private static int[]? Ids(JsonElement value, int least, int most)
    {
        if (value.ValueKind != JsonValueKind.Array)
            return null;
        var numbers = value.EnumerateArray().Select(one => Whole(one, least, most)).ToArray();
        return Array.TrueForAll(numbers, number => number is not null) ? [.. numbers.Select(number => number!.Value)] : null;
    }
}
