using System.Text.Json;
using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Models;

/// <summary>
/// Reads keys of a JSON file such as config.json. A null key counts as absent, except for <see cref="Names"/>.
/// </summary>
internal sealed class ConfigFile
{
    private readonly JsonElement _root;

    private ConfigFile(string path, JsonElement root)
    {
        Path = path;
        _root = root;
    }

    public string Path { get; }

    public static ConfigFile Read(string path)
    {
        try
        {
            return Parse(path, File.ReadAllBytes(path));
        }
        catch (Exception cause) when (cause is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException($"{path} is not there.", cause);
        }
    }

    /// <param name="path">The name in errors.</param>
    /// <param name="json">The file's bytes.</param>
    public static ConfigFile Parse(string path, ReadOnlyMemory<byte> json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            ReadTexts(document.RootElement);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? new ConfigFile(path, document.RootElement.Clone())
                : throw new CheckpointException($"{path} should hold one JSON object.");
        }
        catch (JsonException cause)
        {
            var place = $"line {cause.LineNumber + 1}, byte {cause.BytePositionInLine + 1}";
            throw new CheckpointException($"{path} is not JSON: {place}.", cause);
        }
        catch (InvalidOperationException cause)
        {
            throw new CheckpointException($"{path} has a name or a text that is not valid Unicode.", cause);
        }
    }

    /// <summary>Reads every name and text once: an escape such as a lone \ud800 throws when it is read, not before.</summary>
    private static void ReadTexts(JsonElement element)
    {
        if (element.ValueKind == JsonValueKind.Object)
        {
            foreach (var property in element.EnumerateObject())
            {
                _ = property.Name;
                ReadTexts(property.Value);
            }
        }
        else if (element.ValueKind == JsonValueKind.Array)
        {
            foreach (var item in element.EnumerateArray())
                ReadTexts(item);
        }
        else if (element.ValueKind == JsonValueKind.String)
        {
            _ = element.GetString();
        }
    }

    public CheckpointException Invalid(string key, string rule) => new($"{Path}: {key} {rule}.");

    public bool Has(string key) => Find(key) is not null;

    /// <summary>Whether the file has the key, even as null.</summary>
    public bool Names(string key) => _root.TryGetProperty(key, out _);

    public string? Text(string key) => Find(key) switch
    {
        null => null,
        { ValueKind: JsonValueKind.String } value => value.GetString(),
        { } value => throw Invalid(key, $"should be a string, and is {Shown(value)}"),
    };

    /// <summary>A whole number, at least <paramref name="least"/>.</summary>
    public int? Int(string key, int least) => Find(key) is { } value ? Whole(key, value, least) : null;

    public int RequiredInt(string key, int least = 1) =>
        Int(key, least) ?? throw Invalid(key, "is missing");

    public double Positive(string key, double whenAbsent) => Find(key) switch
    {
        null => whenAbsent,
        { ValueKind: JsonValueKind.Number } value when value.TryGetDouble(out var number) && number > 0
            && double.IsFinite(number) => number,
        { } value => throw Invalid(key, $"should be a number above 0, and is {Shown(value)}"),
    };

    /// <summary>A number from 0 to below 1.</summary>
    public double Share(string key, double whenAbsent) => Find(key) switch
    {
        null => whenAbsent,
        { ValueKind: JsonValueKind.Number } value when value.TryGetDouble(out var number) && number is >= 0 and < 1 => number,
        { } value => throw Invalid(key, $"should be a number from 0 to below 1, and is {Shown(value)}"),
    };

    public bool Flag(string key, bool whenAbsent) => Find(key) switch
    {
        null => whenAbsent,
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        { } value => throw Invalid(key, $"should be true or false, and is {Shown(value)}"),
    };

    /// <summary>Token ids, written as a number or as a list of numbers.</summary>
    public IReadOnlyList<int> Ids(string key) => Find(key) switch
    {
        null => [],
        { ValueKind: JsonValueKind.Array } list => [.. list.EnumerateArray().Select(id => Whole(key, id, 0))],
        { } value => [Whole(key, value, 0)],
    };

    /// <summary>A list of strings, empty when the key is absent.</summary>
    public IReadOnlyList<string> Texts(string key) => Find(key) switch
    {
        null => [],
        { ValueKind: JsonValueKind.Array } list =>
            [.. list.EnumerateArray().Select(item => item.ValueKind == JsonValueKind.String
                ? item.GetString()!
                : throw Invalid(key, $"should be a list of strings, and holds {Shown(item)}"))],
        { } value => throw Invalid(key, $"should be a list of strings, and is {Shown(value)}"),
    };

    /// <summary>The file as JSON.</summary>
    public string Json => _root.GetRawText();

    /// <summary>All keys.</summary>
    public IEnumerable<string> Keys => _root.EnumerateObject().Select(property => property.Name);

    /// <summary>Whether the key says something: it is neither absent, null, false nor empty.</summary>
    public bool Says(string key) => Find(key) switch
    {
        null or { ValueKind: JsonValueKind.False } => false,
        { ValueKind: JsonValueKind.Array } list => list.GetArrayLength() > 0,
        { ValueKind: JsonValueKind.Object } value => value.EnumerateObject().Any(),
        { ValueKind: JsonValueKind.String } text => text.GetString()!.Length > 0,
        _ => true,
    };

    public bool IsText(string key) => Find(key) is { ValueKind: JsonValueKind.String };

    /// <summary>The object under a key. Its errors name the same file.</summary>
    public ConfigFile? Section(string key) => Find(key) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Object } value => new ConfigFile($"{Path}: {key}", value),
        { } value => throw Invalid(key, $"should be an object, and is {Shown(value)}"),
    };

    private JsonElement? Find(string key) =>
        _root.TryGetProperty(key, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private int Whole(string key, JsonElement value, int least) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number >= least
            ? number
            : throw Invalid(key, $"should be a whole number of at least {least}, and is {Shown(value)}");

    private static string Shown(JsonElement value)
    {
        var text = value.GetRawText();
        return text.Length <= 40 ? text : string.Concat(text.AsSpan(0, 40), "…");
    }
}
