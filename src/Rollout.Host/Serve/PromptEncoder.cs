using System.Text.Json;
using Rollout.Actors.Text;
using Rollout.Host.Input;

namespace Rollout.Host.Serve;

/// <summary>Turns the prompts and conversations of requests into token ids.</summary>
internal sealed class PromptEncoder(ServedModel model)
{
    // No vocabulary has tokens that are this long on average. Longer texts need not be tokenised to be refused.
    private const int MostCharactersPerToken = 64;

    /// <summary>A text, a list of texts, token ids, or a list of token ids.</summary>
    /// <exception cref="ApiException">It is none of these, is too long, or the model has no tokenizer for it.</exception>
    public int[][] Prompts(JsonElement prompt, CancellationToken cancellation)
    {
        const string Field = "prompt";
        if (prompt.ValueKind == JsonValueKind.String)
            return [Checked(Field, Text(Field, prompt.GetString()!, cancellation))];
        if (prompt.ValueKind != JsonValueKind.Array || prompt.GetArrayLength() == 0)
            throw ApiException.Invalid(Field, "prompt must be a text, a list of texts, a list of token ids, or a list of such lists.");
        if (prompt[0].ValueKind == JsonValueKind.Number)
            return [Checked(Field, Ids(prompt))];
        return
        [
            .. prompt.EnumerateArray().Select(one => Checked(Field, one.ValueKind switch
            {
                JsonValueKind.String => Text(Field, one.GetString()!, cancellation),
                JsonValueKind.Array => Ids(one),
                _ => throw ApiException.Invalid(Field, "prompt has an entry that is neither a text nor a list of token ids."),
            })),
        ];
    }

    /// <summary>A conversation in the model's chat format, with the assistant's turn opened.</summary>
    /// <exception cref="ApiException">It is no conversation, is too long, or the model has no known chat format.</exception>
    public int[] Conversation(JsonElement messages, bool enableThinking, CancellationToken cancellation)
    {
        const string Field = "messages";
        var turns = Turns(messages);
        var tokenizer = RequireTokenizer(Field);
        try
        {
            var text = model.Files.Chat.Format(turns, enableThinking: enableThinking);
            return Checked(Field, Encode(Field, tokenizer, text, cancellation));
        }
        catch (InvalidDataException none)
        {
            throw ApiException.Invalid(Field, $"The model has no chat format: {WithoutFolder(none)}.", "chat_unsupported");
        }
        catch (ArgumentException wrong)
        {
            throw ApiException.Invalid(Field, $"messages: {wrong.Message}.");
        }
    }

    private static ChatMessage[] Turns(JsonElement messages)
    {
        if (messages.ValueKind != JsonValueKind.Array || messages.GetArrayLength() == 0)
            throw ApiException.Invalid("messages", "messages must be a list of at least one message.");
        return [.. messages.EnumerateArray().Select(Turn)];
    }

    private static ChatMessage Turn(JsonElement message, int number)
    {
        var field = $"messages[{number}]";
        if (message.ValueKind != JsonValueKind.Object
            || !message.TryGetProperty("role", out var role) || role.ValueKind != JsonValueKind.String
            || !message.TryGetProperty("content", out var content))
        {
            throw ApiException.Invalid(field, $"{field} must have a role and a content.");
        }
        var text = content.ValueKind switch
        {
            JsonValueKind.String => content.GetString()!,
            JsonValueKind.Array => string.Concat(content.EnumerateArray().Select(part => PartText(part, field))),
            _ => throw ApiException.Invalid(field, $"The content of {field} must be a text, or a list of parts of type text."),
        };
        // The newer name of the same role.
        return new ChatMessage(role.GetString() == "developer" ? "system" : role.GetString()!, text);
    }

    private static string PartText(JsonElement part, string field) =>
        part.ValueKind == JsonValueKind.Object
        && part.TryGetProperty("type", out var type) && type.ValueKind == JsonValueKind.String && type.ValueEquals("text")
        && part.TryGetProperty("text", out var text) && text.ValueKind == JsonValueKind.String
            ? text.GetString()!
            : throw ApiException.Invalid(field, $"{field} has a part that is not of type text, the only one that the model takes.");

    private int[] Text(string field, string text, CancellationToken cancellation)
    {
        var tokenizer = RequireTokenizer(field);
        return text.Length == 0 ? [] : [.. tokenizer.PrefixIds, .. Encode(field, tokenizer, text, cancellation)];
    }

    private int[] Ids(JsonElement list) =>
        JsonFields.WholeNumbers(list, 0, model.Files.Config.VocabSize - 1)
        ?? throw ApiException.Invalid("prompt", $"prompt must have token ids from 0 to {model.Files.Config.VocabSize - 1}.");

    private HuggingFaceTokenizer RequireTokenizer(string field) => model.Tokenizer
        ?? throw ApiException.Invalid(field, "The model has no tokenizer: send token ids.", "no_tokenizer");

    private int[] Encode(string field, HuggingFaceTokenizer tokenizer, string text, CancellationToken cancellation)
    {
        if (text.Length / MostCharactersPerToken > model.MaxModelLength)
            throw TooLong(field, $"{text.Length} characters");
        try
        {
            return tokenizer.Encode(text, cancellation);
        }
        catch (ArgumentException wrong)
        {
            throw ApiException.Invalid(field, $"{field}: {WithoutFolder(wrong)}.");
        }
    }

    /// <summary>Clients need not know where the model lies.</summary>
    private string WithoutFolder(Exception cause) =>
        cause.Message.Replace(model.Folder + Path.DirectorySeparatorChar, "", StringComparison.Ordinal);

    private int[] Checked(string field, int[] ids)
    {
        if (ids.Length == 0)
            throw ApiException.Invalid(field, $"{field} is empty; expected at least one token.");
        if (ids.Length >= model.MaxModelLength)
            throw TooLong(field, $"{ids.Length} tokens");
        return Array.Exists(ids, id => id >= model.Files.Config.VocabSize)
            ? throw ApiException.Invalid(field, $"{field} has a token that the model does not know.")
            : ids;
    }

    private ApiException TooLong(string field, string length) => ApiException.Invalid(
        field, $"The prompt has {length}, and the model takes {model.MaxModelLength} tokens, new ones included.",
        "context_length_exceeded");
}
