using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Rollout.Actors.Settings.Hocon;

/// <summary>
/// Writes values as text that <see cref="HoconParser"/> reads back as the same values, and keys for messages.
/// </summary>
internal static partial class HoconWriter
{
    private const int ShownLength = 40;

    private static readonly JsonSerializerOptions Readable = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>
    /// The fields of an object, one a line, sections in braces. With <paramref name="quoteAll"/> every key and text
    /// is in quotes, so that a lenient reader can't misread one.
    /// </summary>
    public static string Write(HoconObject root, bool quoteAll = false)
    {
        var text = new StringBuilder();
        WriteFields(text, root, indent: 0, quoteAll);
        return text.ToString();
    }

    /// <summary>A path of keys, <c>rollout.train.steps</c>, with quotes around keys that need them.</summary>
    public static string Path(IEnumerable<string> path) => string.Join('.', path.Select(Key));

    /// <summary>A key, in quotes where it needs them. An unquoted include would be taken for the statement.</summary>
    public static string Key(string key) => PlainKey().IsMatch(key) && key != "include" ? key : Quote(key);

    /// <summary>A text for a message: in quotes, cut where it is long.</summary>
    public static string QuoteShort(string text) => Quote(Short(text));

    /// <summary>The beginning of a text for a message.</summary>
    public static string Short(string text) => text.Length <= ShownLength ? text : text[..ShownLength] + "…";

    /// <summary>A value on one line.</summary>
    public static string Value(HoconValue value) => Inline(value, quoteAll: false);

    private static string Quote(string text) => JsonSerializer.Serialize(text, Readable);

    private static void WriteFields(StringBuilder text, HoconObject obj, int indent, bool quoteAll)
    {
        foreach (var (key, value) in obj.Fields)
        {
            text.Append(' ', indent).Append(quoteAll ? Quote(key) : Key(key));
            if (value is HoconObject { Fields.Count: > 0 } inner)
            {
                text.Append(" {\n");
                WriteFields(text, inner, indent + 2, quoteAll);
                text.Append(' ', indent).Append("}\n");
            }
            else
            {
                text.Append(" = ").Append(Inline(value, quoteAll)).Append('\n');
            }
        }
    }

    private static string Inline(HoconValue value, bool quoteAll) => value switch
    {
        HoconScalar { Text: var text } => !quoteAll && PlainText().IsMatch(text) && text != "null" ? text : Quote(text),
        HoconList list => $"[{string.Join(", ", list.Items.Select(item => Inline(item, quoteAll)))}]",
        HoconObject { Fields.Count: 0 } => "{}",
        HoconObject obj => "{ " + string.Join(", ", obj.Fields.Select(field =>
            $"{(quoteAll ? Quote(field.Key) : Key(field.Key))} = {Inline(field.Value, quoteAll)}")) + " }",
        _ => throw new InvalidOperationException($"{value.Origin}: a {value.GetType().Name} can't be written."),
    };

    [GeneratedRegex(@"\A[A-Za-z0-9_-]+\z")]
    private static partial Regex PlainKey();

    [GeneratedRegex(@"\A-?[A-Za-z0-9_][A-Za-z0-9_.-]*\z")]
    private static partial Regex PlainText();
}
