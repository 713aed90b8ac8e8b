using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Rollout.Actors.Settings.Hocon;

/// <summary>
/// Paths of keys as text: <c>rollout.train.steps</c>, with quotes around keys that need them.
/// </summary>
internal static partial class KeyPath
{
    public static string Join(IEnumerable<string> path) => string.Join('.', path.Select(Key));

    public static string Substitution(IEnumerable<string> path, bool optional) =>
        (optional ? "${?" : "${") + Join(path) + "}";

    /// <summary>
    /// The key as it may be written in a file. An unquoted include would be taken for the statement.
    /// </summary>
    public static string Key(string key) =>
        PlainKey().IsMatch(key) && key != "include" ? key : JsonText.Quote(key);

    public static bool StartsWith(string[] path, string[] start) => path.AsSpan().StartsWith(start);

    [GeneratedRegex(@"\A[A-Za-z0-9_-]+\z")]
    private static partial Regex PlainKey();
}

/// <summary>Quoted texts, readable where they can be.</summary>
internal static class JsonText
{
    public static readonly JsonSerializerOptions Readable = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static string Quote(string text) => JsonSerializer.Serialize(text, Readable);
}
