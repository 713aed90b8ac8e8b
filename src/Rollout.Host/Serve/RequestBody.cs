using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Rollout.Host.Input;

namespace Rollout.Host.Serve;

/// <summary>
/// The JSON object of a request. Fields are read by type; null counts as absent, as OpenAI's clients send it. What nobody has
/// read is unknown.
/// </summary>
internal sealed class RequestBody
{
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    private readonly JsonElement _root;
    private readonly string _path;
    private readonly HashSet<string> _known = [];

    private RequestBody(JsonElement root, string path) => (_root, _path) = (root, path);

    /// <summary>Fields that the server has not read.</summary>
    public IReadOnlyList<string> Unknown =>
        [.. _root.EnumerateObject().Select(one => one.Name).Where(name => !_known.Contains(name)).Select(name => _path + name)];

    /// <summary>Reads a request's body.</summary>
    /// <exception cref="ApiException">It is not JSON, or no object.</exception>
    public static async Task<RequestBody> ReadAsync(HttpRequest request, CancellationToken cancellation)
    {
        // Browsers ask before they send this type for a page of another origin, and nobody here allows it.
        if (!request.HasJsonContentType())
            throw new ApiException(415, "The body must be JSON, with the header Content-Type: application/json.");
        try
        {
            using var document = await JsonDocument.ParseAsync(request.Body, Strict, cancellation);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? new RequestBody(document.RootElement.Clone(), "")
                : throw new ApiException(400, "The body must be a JSON object.");
        }
        catch (JsonException wrong)
        {
            throw new ApiException(400, $"The body is not JSON: {wrong.Message.TrimEnd('.')}.");
        }
    }

    /// <summary>A field's value; null where it is absent or null.</summary>
    public JsonElement? Find(string name)
    {
        _known.Add(name);
        return _root.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }

    /// <summary>Marks a field as known whose value changes nothing.</summary>
    public void Ignore(string name) => _known.Add(name);

    public string? Text(string name) => Find(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString()
        : throw Wrong(name, "a text");

    public bool Flag(string name) => Find(name) is { } value
        && (value.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? value.GetBoolean()
            : throw Wrong(name, "true or false"));

    public int? Whole(string name, int least, int most) => Find(name) is not { } value ? null
        : JsonFields.Whole(value, least, most) ?? throw Wrong(name, $"a whole number from {least} to {most}");

    public long? Whole64(string name) => Find(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) ? number
        : throw Wrong(name, "a whole number of 64 bits");

    /// <summary>A number from one bound to another.</summary>
    public double? Number(string name, double least, double most) => Find(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && number >= least && number <= most ? number
        : throw Wrong(name, $"a number from {least} to {most}");

    /// <summary>An object within this one; null where it is absent.</summary>
    public RequestBody? Section(string name) => Find(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Object ? new RequestBody(value, $"{_path}{name}.")
        : throw Wrong(name, "an object");

    /// <summary>The error for a value that can't be used.</summary>
    public ApiException Wrong(string name, string expected) =>
        ApiException.Invalid(_path + name, $"{_path}{name} must be {expected}.");
}
