using System.Text;

namespace Rollout.Actors.Text;

/// <summary>
/// Decodes one sequence while it grows, without its special tokens. A character whose bytes are spread over several tokens
/// comes out whole with the last of them: the parts joined are <see cref="HuggingFaceTokenizer.Decode"/> of all ids, but for
/// the U+FFFD of a character that stays incomplete at the end.
/// </summary>
public sealed class IncrementalDecoder(HuggingFaceTokenizer tokenizer)
{
    private readonly Decoder _utf8 = Encoding.UTF8.GetDecoder();

    /// <summary>The text that this token completes; empty within a character.</summary>
    public string Append(int id)
    {
        var bytes = tokenizer.BytesOf(id);
        var units = new char[_utf8.GetCharCount(bytes, flush: false)];
        _utf8.GetChars(bytes, units, flush: false);
        return new string(units);
    }
}
