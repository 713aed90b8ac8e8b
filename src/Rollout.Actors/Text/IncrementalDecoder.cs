using System.Text;

namespace Rollout.Actors.Text;

/// <summary>
/// Decodes one sequence while it grows. A character whose bytes are spread over several tokens comes out whole with the
/// last of them, so the parts joined equal <see cref="HuggingFaceTokenizer.Decode"/> of all ids.
/// </summary>
public sealed class IncrementalDecoder(HuggingFaceTokenizer tokenizer, bool keepSpecialTokens = false)
{
    private readonly Decoder _utf8 = Encoding.UTF8.GetDecoder();

    /// <summary>The text that this token completes; empty within a character.</summary>
    public string Append(int id) => Convert(tokenizer.BytesOf(id, keepSpecialTokens), flush: false);

    /// <summary>U+FFFD for a character that stayed incomplete, else empty. A new sequence may follow.</summary>
    public string Flush() => Convert([], flush: true);

    private string Convert(ReadOnlySpan<byte> bytes, bool flush)
    {
        var count = _utf8.GetCharCount(bytes, flush);
        if (count == 0)
        {
            _utf8.GetChars(bytes, [], flush);
            return "";
        }
        var units = new char[count];
        _utf8.GetChars(bytes, units, flush);
        return new string(units);
    }
}
