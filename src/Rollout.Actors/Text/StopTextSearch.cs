namespace Rollout.Actors.Text;

/// <summary>
/// Finds stop texts in one completion while it grows, across token boundaries. The engine has one for each sequence
/// with stop texts. Special tokens count as no text.
/// </summary>
public sealed class StopTextSearch
{
    private readonly IncrementalDecoder _decoder;
    private readonly string[] _texts;
    private readonly int _kept;
    private string _tail = "";      // the last characters, in which a stop text may have begun

    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="texts">The stop texts: at least one, none empty.</param>
    public StopTextSearch(HuggingFaceTokenizer tokenizer, string[] texts)
    {
        if (texts.Length == 0 || Array.Exists(texts, text => text.Length == 0))
            throw new ArgumentException("expected at least one stop text, and no empty one", nameof(texts));
        _decoder = new IncrementalDecoder(tokenizer);
        _texts = texts;
        _kept = texts.Max(text => text.Length) - 1;
    }

    /// <summary>Reads one more token. True when it completes a stop text.</summary>
    public bool Append(int token)
    {
        var added = _decoder.Append(token);
        if (added.Length == 0)
            return false;
        var text = _tail + added;
        _tail = text[Math.Max(0, text.Length - _kept)..];
        return Array.Exists(_texts, stop => text.Contains(stop, StringComparison.Ordinal));
    }

    /// <summary>The text up to the first stop text; all of it where there is none.</summary>
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
