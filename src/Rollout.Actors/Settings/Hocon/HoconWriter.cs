using System.Text;
using System.Text.RegularExpressions;

namespace Rollout.Actors.Settings.Hocon;

/// <summary>Writes a value as text that <see cref="HoconText"/> reads back as the same value.</summary>
public static partial class HoconWriter
{
    /// <summary>
    /// The fields of an object, a line each, objects in braces; with quotes around every key and text on
    /// demand, so that not even a lenient reader can misread one.
    /// </summary>
    public static string Write(HoconObject root, bool quoteAll = false)
    {
        var text = new StringBuilder();
        WriteFields(text, root, indent: 0, quoteAll);
        return text.ToString();
    }

    private static void WriteFields(StringBuilder text, HoconObject obj, int indent, bool quoteAll)
    {
        foreach (var (key, value) in obj.Fields)
        {
            text.Append(' ', indent).Append(Key(key, quoteAll));
            if (value is HoconObject { Fields.Count: > 0 } inner)
            {
                text.Append(" {\n");
                WriteFields(text, inner, indent + 2, quoteAll);
                text.Append(' ', indent).Append("}\n");
            }
            else
            {
                text.Append(" = ");
                WriteInline(text, value, quoteAll);
                text.Append('\n');
            }
        }
    }

    private static void WriteInline(StringBuilder text, HoconValue value, bool quoteAll)
    {
        switch (value)
        {
            case HoconScalar scalar:
                text.Append(!quoteAll && PlainText().IsMatch(scalar.Text) && scalar.Text != "null"
                    ? scalar.Text
                    : JsonText.Quote(scalar.Text));
                break;
            case HoconList list:
                text.Append('[');
                foreach (var (i, item) in list.Items.Index())
                {
                    text.Append(i > 0 ? ", " : "");
                    WriteInline(text, item, quoteAll);
                }

                text.Append(']');
                break;
            case HoconObject obj:
                text.Append('{');
                foreach (var (i, (key, field)) in obj.Fields.Index())
                {
                    text.Append(i > 0 ? ", " : " ").Append(Key(key, quoteAll)).Append(" = ");
                    WriteInline(text, field, quoteAll);
                }

                text.Append(obj.Fields.Count > 0 ? " }" : "}");
                break;
        }
    }

    private static string Key(string key, bool quoteAll) => quoteAll ? JsonText.Quote(key) : KeyPath.Key(key);

    [GeneratedRegex(@"\A-?[A-Za-z0-9_][A-Za-z0-9_.-]*\z")]
    private static partial Regex PlainText();
}
