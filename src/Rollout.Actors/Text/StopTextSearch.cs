namespace Rollout.Actors.Text;

/// <summary>
/// Finds stop texts in a completion while it grows, wherever token boundaries fall. Special tokens are no text. One
/// per sequence.
/// </summary>
public sealed class StopTextSearch
{
    private readonly IncrementalDecoder _decoder;
    private readonly string[] _texts;
    private readonly int _kept;
    private string _tail = "";      // the last characters, with which a stop text may have begun

    /// <param name="tokenizer">The model's.</param>
    /// <param name="texts">At least one, none empty.</param>
    public StopTextSearch(HuggingFaceTokenizer tokenizer, string[] texts)
    {
        if (texts.Length == 0 || Array.Exists(texts, text => text.Length == 0))
            throw new ArgumentException("stop texts must be at least one, and none empty", nameof(texts));
        _decoder = new IncrementalDecoder(tokenizer);
        _texts = texts;
        _kept = texts.Max(text => text.Length) - 1;
    }

    /// <summary>Reads one more token; true when a stop text is complete with it.</summary>
    public bool Append(int token)
    {
        var added = _decoder.Append(token);
        if (added.Length == 0)
            return false;
        var text = _tail + added;
        _tail = text[Math.Max(0, text.Length - _kept)..];
        return Array.Exists(_texts, stop => text.Contains(stop, StringComparison.Ordinal));
    }

    /// <summary>The text before the first place where one of the stop texts begins; all of it where none does.</summary>
    public static string Cut(string text, IReadOnlyList<string> texts)
    {
        var end = text.Length;
        foreach (var stop in texts)
        {
            var at = text.IndexOf(stop, StringComparison.Ordinal);
            if (at >= 0)
                end = Math.Min(end, at);
        }
        return text[..end];
    }
}
