using System.Text.Json;
using Rollout.Actors.Settings;
using Rollout.Actors.Text;

namespace Rollout.Actors.Data;

/// <summary>
/// Prompts from files of JSON lines, shuffled by the seed. Every line is checked at the start, so that a broken one is
/// refused before the run begins, and is read again when its turn comes. The id of an item is its file name and line.
/// Its fields are the other texts and numbers of the line, and "answer".
/// </summary>
public sealed class JsonlDataset : IPromptDataset, IDisposable
{
    // The held-out order is the same in every run, whatever its seed.
    private const ulong HeldOutSeed = 0x68656C646F7574;

    private readonly JsonlSettings _settings;
    private readonly Func<IReadOnlyList<ChatMessage>, string>? _formatChat;
    private readonly ulong _seed;
    private readonly JsonLines _train;
    private readonly JsonLines? _heldOut;

    /// <param name="settings">The files, and how to read their lines.</param>
    /// <param name="seed">Decides the order of training prompts.</param>
    /// <param name="formatChat">The model's chat format with the assistant's turn opened; null if it has none.</param>
    /// <param name="cancellation">Ends the check of the lines.</param>
    /// <exception cref="InvalidDataException">A file is missing, or a line is wrong: <c>FILE:LINE: …</c>.</exception>
    public JsonlDataset(
        JsonlSettings settings,
        long seed,
        Func<IReadOnlyList<ChatMessage>, string>? formatChat = null,
        CancellationToken cancellation = default)
    {
        (_settings, _seed, _formatChat) = (settings, (ulong)seed, formatChat);
        _train = new JsonLines(settings.Train, cancellation);
        try
        {
            _heldOut = settings.HeldOut.Length == 0 ? null : new JsonLines(settings.HeldOut, cancellation);
            foreach (var lines in _heldOut is null ? [_train] : (JsonLines[])[_train, _heldOut])
            {
                for (var index = 0; index < lines.Count; index++)
                {
                    cancellation.ThrowIfCancellationRequested();
                    Read(lines, index);
                }
            }
            HeldOut = _heldOut is null ? [] : Shuffled(_heldOut);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    /// <remarks>In a fixed shuffled order, so that the first n are a fair sample.</remarks>
    public IReadOnlyList<PromptItem> HeldOut { get; }

    /// <summary>Training prompts of one epoch.</summary>
    public int TrainCount => _train.Count;

    /// <inheritdoc/>
    public PromptItem Train(long cursor) =>
        Read(_train, SeededPermutation.AtCursor(_train.Count, _seed, cursor));

    /// <summary>Closes the files.</summary>
    public void Dispose()
    {
        _train.Dispose();
        _heldOut?.Dispose();
    }

    private PromptList Shuffled(JsonLines lines)
    {
        var order = new SeededPermutation(lines.Count, HeldOutSeed);
        return new PromptList(lines.Count, index => Read(lines, order[index]));
    }

    private PromptItem Read(JsonLines lines, int index)
    {
        using var document = lines.Read(index);
        return new PromptItem(
            $"{Path.GetFileName(lines.Path)}:{lines.NumberOf(index)}",
            Prompt(lines, index, document.RootElement),
            Fields(lines, index, document.RootElement));
    }

    private Dictionary<string, string> Fields(JsonLines lines, int index, JsonElement line)
    {
        var fields = new Dictionary<string, string>();
        foreach (var property in line.EnumerateObject())
        {
            if (!property.NameEquals(_settings.PromptField) && Scalar(property.Value) is { } value)
                fields[property.Name] = value;
        }
        if (JsonFile.Get(line, _settings.AnswerField) is { } answer)
            fields["answer"] = Scalar(answer)
                ?? throw lines.Invalid(index, $"field \"{_settings.AnswerField}\" must be text or a number");
        return fields;
    }

    private string Prompt(JsonLines lines, int index, JsonElement line)
    {
        return JsonFile.Get(line, _settings.PromptField) switch
        {
            null => throw lines.Invalid(index, $"has no field \"{_settings.PromptField}\""),
            { ValueKind: JsonValueKind.String } given => FromText(given.GetString()!),
            { ValueKind: JsonValueKind.Array } given => FromMessages(lines, index, given),
            _ => throw PromptKind(lines, index),
        };
    }

    private string FromText(string given)
    {
        var text = _settings.Prefix + given + _settings.Suffix;
        if (_settings.Chat != ChatWrapping.User)
            return text;
        var format = _formatChat
            ?? throw new InvalidDataException(
                "prompts are to be user messages, but the model has no chat format");
        return format([new ChatMessage("user", text)]);
    }

    private string FromMessages(JsonLines lines, int index, JsonElement list)
    {
        var format = _formatChat ?? throw lines.Invalid(
            index, $"field \"{_settings.PromptField}\" is a list of messages, but the model has no "
            + "chat format");
        var messages = ChatMessage.ReadAll(list) ?? throw PromptKind(lines, index);
        try
        {
            return format(messages);
        }
        catch (ArgumentException wrong)
        {
            throw lines.Invalid(index, $"field \"{_settings.PromptField}\": {wrong.Message}");
        }
    }

    private InvalidDataException PromptKind(JsonLines lines, int index) => lines.Invalid(
        index, $"field \"{_settings.PromptField}\" must be text or a list of {{role, content}} messages");

    private static string? Scalar(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString(),
        JsonValueKind.Number => value.GetRawText(),
        _ => null,
    };
}
