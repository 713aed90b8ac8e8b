using System.Text.Json;
using Rollout.Actors.Settings;
using Rollout.Actors.Text;

namespace Rollout.Actors.Data;

/// <summary>
/// Prompts from files of JSON lines, CSV or Parquet. Every record is checked at the start, so that a broken one is refused
/// before the run begins, and is read again when its turn comes. The id of an item is its file name and line (or row, of a
/// Parquet file). Its fields are the other texts and numbers of the record, and "answer", which is the answer field alone.
/// </summary>
public sealed class FileDataset : IPromptSource, IDisposable
{
    /// <summary>The answer's name in an item's fields, whatever the file calls it.</summary>
    private const string Answer = "answer";

    // The held-out order is the same in every run, whatever its seed.
    private const ulong HeldOutSeed = 0x68656C646F7574;

    private readonly FileSettings _settings;
    private readonly Func<IReadOnlyList<ChatMessage>, string>? _formatChat;
    private readonly List<RecordFile> _files = [];

    /// <param name="settings">The files, each of which may be "" for none, and how to read their records.</param>
    /// <param name="formatChat">The model's chat format with the assistant's turn opened; null if it has none.</param>
    /// <param name="cancellation">Ends the check of the records.</param>
    /// <exception cref="InvalidDataException">A file is missing, or a record is wrong: <c>FILE:LINE: …</c>.</exception>
    public FileDataset(
        FileSettings settings,
        Func<IReadOnlyList<ChatMessage>, string>? formatChat = null,
        CancellationToken cancellation = default)
    {
        (_settings, _formatChat) = (settings, formatChat);
        try
        {
            Train = settings.Train.Length == 0 ? [] : InOrder(Open(settings.Train, cancellation));
            HeldOut = settings.HeldOut.Length == 0 ? [] : Shuffled(Open(settings.HeldOut, cancellation));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<PromptItem> Train { get; }

    /// <inheritdoc/>
    public IReadOnlyList<PromptItem> HeldOut { get; }

    /// <summary>Closes the files.</summary>
    public void Dispose() => _files.ForEach(file => file.Dispose());

    private RecordFile Open(string path, CancellationToken cancellation)
    {
        var file = RecordFile.Open(path, _settings.Format, cancellation);
        _files.Add(file);
        for (var index = 0; index < file.Count; index++)
        {
            cancellation.ThrowIfCancellationRequested();
            Read(file, index);
        }
        return file;
    }

    private PromptList InOrder(RecordFile file) => new(file.Count, index => Read(file, index));

    private PromptList Shuffled(RecordFile file)
    {
        var order = new SeededPermutation(file.Count, HeldOutSeed);
        return new PromptList(file.Count, index => Read(file, order[index]));
    }

    private PromptItem Read(RecordFile lines, int index)
    {
        using var document = lines.Read(index);
        return new PromptItem(
            $"{Path.GetFileName(lines.Path)}:{lines.NumberOf(index)}",
            Prompt(lines, index, document.RootElement),
            Fields(lines, index, document.RootElement));
    }

    private Dictionary<string, string> Fields(RecordFile lines, int index, JsonElement line)
    {
        var fields = new Dictionary<string, string>();
        foreach (var property in line.EnumerateObject())
        {
            if (!property.NameEquals(_settings.PromptField) && Scalar(property.Value) is { } value)
                fields[property.Name] = value;
        }
        if (_settings.AnswerField != Answer)
            fields.Remove(Answer);
        if (JsonFile.Get(line, _settings.AnswerField) is { } answer)
            fields[Answer] = Scalar(answer)
                ?? throw lines.Invalid(index, $"field \"{_settings.AnswerField}\" must be text or a number");
        return fields;
    }

    private string Prompt(RecordFile lines, int index, JsonElement line)
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

    private string FromMessages(RecordFile lines, int index, JsonElement list)
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

    private InvalidDataException PromptKind(RecordFile lines, int index) => lines.Invalid(
        index, $"field \"{_settings.PromptField}\" must be text or a list of {{role, content}} messages");

    private static string? Scalar(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString(),
        JsonValueKind.Number => value.GetRawText(),
        _ => null,
    };
}
