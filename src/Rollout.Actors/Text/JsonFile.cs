using System.Text.Json;

namespace Rollout.Actors.Text;

/// <summary>A JSON object in a file of a model folder. Its errors name the file and the key.</summary>
internal sealed class JsonFile : IDisposable
{
    private readonly JsonDocument _document;

    private JsonFile(string path, JsonDocument document)
    {
        Path = path;
        _document = document;
    }

    public string Path { get; }

    public JsonElement Root => _document.RootElement;

    /// <exception cref="InvalidDataException">The file is missing, or is no JSON object.</exception>
    public static JsonFile Open(string path) =>
        OpenIfThere(path) ?? throw new InvalidDataException($"{path}: no such file");

    /// <summary>The file, or null if there is none.</summary>
    /// <exception cref="InvalidDataException">The file is no JSON object.</exception>
    public static JsonFile? OpenIfThere(string path)
    {
        if (!File.Exists(path))
            return null;
        var bytes = File.ReadAllBytes(path);
        try
        {
            var document = JsonDocument.Parse(bytes);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                document.Dispose();
                throw new InvalidDataException($"{path}: holds no JSON object");
            }
            if (JsonTexts.LoneSurrogate(bytes) is { } at)
            {
                var line = bytes.AsSpan(0, at).Count((byte)'\n') + 1;
                throw new InvalidDataException($"{path}:{line}: {JsonTexts.HalfPair}");
            }
            return new JsonFile(path, document);
        }
        catch (JsonException wrong)
        {
            throw new InvalidDataException($"{path}:{wrong.LineNumber + 1}: not valid JSON", wrong);
        }
    }

    public void Dispose() => _document.Dispose();

    /// <summary>An error that names the file and the key.</summary>
    public InvalidDataException Invalid(string key, string rule) => new($"{Path}: {key} {rule}");

    /// <summary>The value of a key of an object; null if it is absent or JSON's null.</summary>
    public static JsonElement? Get(JsonElement element, string key) =>
        element.ValueKind == JsonValueKind.Object
        && element.TryGetProperty(key, out var value) && value.ValueKind != JsonValueKind.Null
            ? value
            : null;

    /// <summary>The value of a key that must be there with the given kind.</summary>
    public JsonElement Require(JsonElement element, string key, JsonValueKind kind, string where)
    {
        if (Get(element, key) is { } value && value.ValueKind == kind)
            return value;
        throw Invalid(where, $"is missing or is not {Name(kind)}");
    }

    /// <summary>A boolean key; false if it is absent.</summary>
    public static bool Flag(JsonElement element, string key, bool otherwise = false) =>
        Get(element, key) is { } value ? value.ValueKind == JsonValueKind.True : otherwise;

    /// <summary>A text key; null if it is absent or no text.</summary>
    public static string? Text(JsonElement element, string key) =>
        Get(element, key) is { ValueKind: JsonValueKind.String } value ? value.GetString() : null;

    private static string Name(JsonValueKind kind) => kind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        JsonValueKind.String => "a text",
        _ => $"a {kind}",
    };
}
