using System.Text;
using System.Text.Json;

namespace Rollout.Actors.Text;

/// <summary>One turn of a conversation.</summary>
/// <param name="Role">system, user or assistant.</param>
/// <param name="Content">The text of the turn.</param>
public sealed record ChatMessage(string Role, string Content)
{
    /// <summary>The messages of a JSON list of {role, content}, both texts; null for any other value.</summary>
    public static ChatMessage[]? ReadAll(JsonElement list)
    {
        if (list.ValueKind != JsonValueKind.Array)
            return null;
        var messages = new List<ChatMessage>();
        foreach (var message in list.EnumerateArray())
        {
            if (JsonFile.Text(message, "role") is not { } role || JsonFile.Text(message, "content") is not { } content)
                return null;
            messages.Add(new ChatMessage(role, content));
        }
        return [.. messages];
    }
}

/// <summary>
/// Writes a conversation in the format that the model was trained on. The format is recognised from the model's Jinja
/// template; the template itself is not run, and tools are not supported.
/// </summary>
public abstract class ChatTemplate
{
    private static readonly string[] Roles = ["system", "user", "assistant"];
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>
    /// Recognises the format of a model folder: its <c>chat_template.jinja</c> or, without one, the
    /// <c>chat_template</c> of its <c>tokenizer_config.json</c>.
    /// </summary>
    /// <exception cref="InvalidDataException">There is no template, or one of another format.</exception>
    public static ChatTemplate Load(string modelFolder)
    {
        var path = Path.Combine(modelFolder, "tokenizer_config.json");
        using var config = JsonFile.OpenIfThere(path);
        var jinja = Path.Combine(modelFolder, "chat_template.jinja");
        string? template;
        if (Path.Exists(jinja))
            (path, template) = (jinja, ReadText(jinja));
        else
            template = config is null ? null : DefaultTemplate(config);

        return template switch
        {
            null => throw new InvalidDataException($"{path}: has no chat_template, which chat prompts need"),
            _ when template.Contains("<|im_start|>", StringComparison.Ordinal) =>
                ChatMlTemplate.From(template),
            _ when template.Contains("<|start_header_id|>", StringComparison.Ordinal) =>
                Llama3Template.From(
                    template, config is null ? null : TokenText(config, "bos_token")),
            _ => throw new InvalidDataException(
                $"{path}: the chat template has neither <|im_start|> (ChatML) nor <|start_header_id|> "
                + "(Llama 3), the two formats that are supported"),
        };
    }

    /// <summary>The text of the conversation.</summary>
    /// <param name="messages">The turns in their order, at least one.</param>
    /// <param name="addGenerationPrompt">End with the opening of the assistant's turn.</param>
    /// <param name="enableThinking">False closes Qwen3's thoughts before they begin; other formats ignore it.</param>
    /// <exception cref="ArgumentException">There is no message, or one has another role.</exception>
    public string Format(
        IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt = true, bool enableThinking = true)
    {
        if (messages.Count == 0)
            throw new ArgumentException("a conversation needs at least one message", nameof(messages));
        if (messages.FirstOrDefault(message => !Roles.Contains(message.Role)) is { } stranger)
            throw new ArgumentException(
                $"a message has the role \"{stranger.Role}\", but only "
                + $"{string.Join(", ", Roles)} are supported",
                nameof(messages));
        return Write(messages, addGenerationPrompt, enableThinking);
    }

    private protected abstract string Write(
        IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt, bool enableThinking);

    private static string ReadText(string path)
    {
        if (Directory.Exists(path))
            throw new InvalidDataException($"{path}: is a folder, expected a file with the chat template");
        try
        {
            return File.ReadAllText(path, StrictUtf8);
        }
        catch (DecoderFallbackException wrong)
        {
            throw new InvalidDataException($"{path}: is not valid UTF-8", wrong);
        }
    }

    /// <summary>A token in tokenizer_config.json: its text, or an object with its content.</summary>
    private static string? TokenText(JsonFile config, string key) => JsonFile.Get(config.Root, key) switch
    {
        { ValueKind: JsonValueKind.String } text => text.GetString(),
        { ValueKind: JsonValueKind.Object } token => JsonFile.Text(token, "content"),
        _ => null,
    };

    /// <summary>The key chat_template is a text, or a list of named ones of which "default" counts.</summary>
    private static string? DefaultTemplate(JsonFile config)
    {
        var given = JsonFile.Get(config.Root, "chat_template");
        if (given is not { ValueKind: JsonValueKind.Array } named)
            return JsonFile.Text(config.Root, "chat_template");
        return named.EnumerateArray()
            .Where(one => JsonFile.Text(one, "name") == "default")
            .Select(one => JsonFile.Text(one, "template"))
            .FirstOrDefault();
    }
}
