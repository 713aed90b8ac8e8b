using System.Text.RegularExpressions;

namespace Rollout.Actors.Text;

/// <summary>Cuts text into the pieces within which byte pairs may merge.</summary>
internal abstract class PreTokenizer
{
    /// <summary>Appends the pieces of <paramref name="text"/> in order; none is empty.</summary>
    public abstract void Split(string text, List<string> pieces);
}

/// <summary>
/// Pieces are the matches of a pattern and, unless they are removed, what lies between them.
/// </summary>
internal sealed class RegexSplit(Regex pattern, bool keepMatches = true, bool keepGaps = true) : PreTokenizer
{
    public override void Split(string text, List<string> pieces)
    {
        var points = CodePointText.Of(text);
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

/// <summary>Puts a space before text that does not begin with one (ByteLevel's add_prefix_space).</summary>
internal sealed class PrefixSpace : PreTokenizer
{
    public override void Split(string text, List<string> pieces) =>
        pieces.Add(text.StartsWith(' ') ? text : ' ' + text);
}

/// <summary>Each stage cuts the pieces of the one before.</summary>
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
