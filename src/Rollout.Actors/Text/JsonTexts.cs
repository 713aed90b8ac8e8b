using System.Text.Json;

namespace Rollout.Actors.Text;

/// <summary>Checks that every key and text of a JSON value can be read as a string.</summary>
public static class JsonTexts
{
    /// <summary>What is wrong with such a text.</summary>
    public const string HalfPair = "escapes one half of a surrogate pair (\\uD800 to \\uDFFF) without the other";

    /// <summary>
    /// The place of the first key or text that escapes half of a surrogate pair; null if there is none.
    /// System.Text.Json reads such a text as a token, and throws only when somebody asks for the string.
    /// </summary>
    /// <param name="json">Valid JSON in UTF-8.</param>
    public static int? LoneSurrogate(ReadOnlySpan<byte> json)
    {
        // Few files escape surrogates at all.
        if (json.IndexOf("\\ud"u8) < 0 && json.IndexOf("\\uD"u8) < 0)
            return null;
        var reader = new Utf8JsonReader(json);
        while (reader.Read())
        {
            if (reader.TokenType is not (JsonTokenType.PropertyName or JsonTokenType.String) || !reader.ValueIsEscaped)
                continue;
            try
            {
                reader.GetString();
            }
            catch (InvalidOperationException)
            {
                return (int)reader.TokenStartIndex;
            }
        }
        return null;
    }
}
