using System.Text.RegularExpressions;

namespace Rollout.Actors.Text;

/// <summary>Cuts text into pieces. Byte pairs merge within a piece only.</summary>
internal abstract class PreTokenizer
{
    /// <summary>Appends the pieces of a text in their order; none is empty.</summary>
    public abstract void Split(string text, List<string> pieces);
}

/// <summary>Cuts text into the matches of a pattern and the gaps between them; either kind may be dropped.</summary>
/// <param name="path">The file of the pattern, for messages.</param>
/// <param name="pattern">The pattern.</param>
/// <param name="keepMatches">False drops the matches.</param>
/// <param name="keepGaps">False drops the gaps.</param>
internal sealed class RegexSplit(string path, Regex pattern, bool keepMatches = true, bool keepGaps = true)
    : PreTokenizer
{
    /// <exception cref="ArgumentException">A match took too long.</exception>
    public override void Split(string text, List<string> pieces)
    {
        try
        {
            Split(CodePointText.Of(text), pieces);
        }
        catch (RegexMatchTimeoutException)
        {
            throw new ArgumentException($"{path}: pre_tokenizer: {BoundedRegex.TooSlow(pattern, text.Length)}");
        }
    }

    private void Split(CodePointText points, List<string> pieces)
    {
        var end = 0;
        foreach (var match in pattern.EnumerateMatches(points.OneUnitPerPoint))
        {
            if (match.Length == 0)
                continue;
            if (keepGaps)
                Add(points, end, match.Index, pieces);
            end = match.Index + match.Length;
            if (keepMatches)
                Add(points, match.Index, end, pieces);
        }
        if (keepGaps)
            Add(points, end, points.OneUnitPerPoint.Length, pieces);
    }

    private static void Add(CodePointText points, int start, int end, List<string> pieces)
    {
        if (start < end)
            pieces.Add(points.Slice(start, end));
    }
}

/// <summary>Puts a space before a text that begins with none (ByteLevel's add_prefix_space).</summary>
internal sealed class PrefixSpace : PreTokenizer
{
    public override void Split(string text, List<string> pieces) =>
        pieces.Add(text.StartsWith(' ') ? text : ' ' + text);
}

/// <summary>Runs several stages; each cuts the pieces of the stage before it.</summary>
internal sealed class PreTokenizerSequence(IReadOnlyList<PreTokenizer> stages) : PreTokenizer
{
    public override void Split(string text, List<string> pieces)
    {
        List<string> current = [text];
        foreach (var stage in stages)
        {
            List<string> next = new(current.Count);
            foreach (var piece in current)
                stage.Split(piece, next);
            current = next;
        }
        pieces.AddRange(current);
    }
}
