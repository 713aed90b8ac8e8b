using System.Text;

namespace Rollout.Actors.Text;

/// <summary>
/// Decodes a sequence while it grows. A character whose bytes are spread over tokens comes out whole with its
/// last one, so all the texts put together equal <see cref="HuggingFaceTokenizer.Decode"/> of all the ids.
/// One per sequence.
/// </summary>
public sealed class IncrementalDecoder(HuggingFaceTokenizer tokenizer, bool keepSpecialTokens = false)
{
    private readonly Decoder _utf8 = Encoding.UTF8.GetDecoder();

    /// <summary>The text that became complete with this token; often empty within a character.</summary>
    public string Append(int id) => Convert(tokenizer.BytesOf(id, keepSpecialTokens), flush: false);

    /// <summary>What was still incomplete, as U+FFFD; empty otherwise. A new sequence may follow.</summary>
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
