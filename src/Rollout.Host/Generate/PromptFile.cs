using System.Text.Json;
using System.Text.Unicode;

namespace Rollout.Host.Generate;

/// <summary>generate's input: a JSON object a line, each a prompt. Blank lines are passed over, but counted.</summary>
public static class PromptFile
{
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    /// <summary>Reads and checks every line before anything starts.</summary>
    /// <exception cref="InvalidDataException">A line is no prompt that can be run; the sentence is FILE:LINE: what.</exception>
    public static IReadOnlyList<PromptLine> Read(string path, ModelFiles model, PromptDefaults defaults)
    {
        if (!File.Exists(path))
            throw new InvalidDataException($"{path}: there is no such file; expected prompts, a JSON object a line");
        var bytes = File.ReadAllBytes(path).AsMemory();
        if (bytes.Span.StartsWith("\uFEFF"u8))
            bytes = bytes[3..];

        var reader = new PromptReader(model, defaults);
        var prompts = new List<PromptLine>();
        var lineOfId = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var number = 1; bytes.Length > 0; number++)
        {
            var end = bytes.Span.IndexOf((byte)'\n');
            var line = end < 0 ? bytes : bytes[..end];
            bytes = end < 0 ? default : bytes[(end + 1)..];
            if (line.Span.IndexOfAnyExcept(" \t\r"u8) < 0)
                continue;
            var prompt = At($"{path}:{number}", () => reader.Read(Parse(line), number));
            if (!lineOfId.TryAdd(prompt.Id.ToString(), number))
            {
                throw new InvalidDataException(
                    $"{path}:{number}: id \"{prompt.Id}\" is that of line {lineOfId[prompt.Id.ToString()]} already");
            }
            prompts.Add(prompt);
        }
        return prompts.Count > 0
            ? prompts
            : throw new InvalidDataException($"{path}: holds no line; expected a prompt at least");
    }

    private static PromptLine At(string where, Func<PromptLine> read)
    {
        try
        {
            return read();
        }
        catch (InvalidDataException wrong)
        {
            throw new InvalidDataException($"{where}: {wrong.Message}", wrong);
        }
    }

    private static JsonElement Parse(ReadOnlyMemory<byte> line)
    {
        if (!Utf8.IsValid(line.Span))
            throw new InvalidDataException("not valid UTF-8");
        try
        {
            using var document = JsonDocument.Parse(line, Strict);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? document.RootElement.Clone()
                : throw new InvalidDataException("holds no JSON object");
        }
        catch (JsonException wrong)
        {
            throw new InvalidDataException(
                wrong.BytePositionInLine is { } at ? $"not valid JSON at byte {at + 1} of the line" : "not valid JSON",
                wrong);
        }
    }
}
