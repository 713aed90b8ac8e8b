using System.Globalization;
using System.Text;

namespace Rollout.Actors.Text;

/// <summary>
/// Unicode normalization form C (UAX #15) for tokenizers that ask for it, such as Qwen's; of Unicode 9.0, as in Hugging
/// Face's tokenizers. The product runs without ICU (InvariantGlobalization), and <see cref="string.Normalize()"/> then
/// returns its argument unchanged.
/// </summary>
internal static class UnicodeComposition
{
    // Hangul syllables are composed by arithmetic: The Unicode Standard, section 3.12.
    private const int SyllableBase = 0xAC00, LeadBase = 0x1100, VowelBase = 0x1161, TrailBase = 0x11A7;
    private const int LeadCount = 19, VowelCount = 21, TrailCount = 28;
    private const int SyllableCount = LeadCount * VowelCount * TrailCount;

    private static readonly Lazy<Tables> Data = new(Tables.Read);

    /// <summary>The text in form C; a lone surrogate becomes U+FFFD.</summary>
    public static string Compose(string text)
    {
        if (IsCertainlyComposed(text))
            return text;

        var tables = Data.Value;
        var points = new List<int>(text.Length + 8);
        foreach (var rune in text.EnumerateRunes())
            Decompose(rune.Value, tables, points);
        Reorder(points, tables);
        Recompose(points, tables);

        var composed = new StringBuilder(points.Count);
        Span<char> units = stackalloc char[2];
        foreach (var point in points)
            composed.Append(units[..new Rune(point).EncodeToUtf16(units)]);
        return composed.ToString();
    }

    /// <summary>True if nothing can combine or decompose: below U+0300, and for CJK ideographs.</summary>
    private static bool IsCertainlyComposed(string text)
    {
        foreach (var unit in text)
        {
            if (unit >= 0x300 && unit is not (>= '\u4E00' and <= '\u9FFF'))
                return false;
        }
        return true;
    }

    private static void Decompose(int point, Tables tables, List<int> into)
    {
        var syllable = point - SyllableBase;
        if (syllable is >= 0 and < SyllableCount)
        {
            into.Add(LeadBase + (syllable / (VowelCount * TrailCount)));
            into.Add(VowelBase + (syllable % (VowelCount * TrailCount) / TrailCount));
            if (syllable % TrailCount != 0)
                into.Add(TrailBase + (syllable % TrailCount));
        }
        else if (tables.Decompositions.TryGetValue(point, out var parts))
        {
            Decompose(parts.First, tables, into);
            if (parts.Second != 0)
                into.Add(parts.Second);
        }
        else
        {
            into.Add(point);
        }
    }

    /// <summary>Canonical ordering: sorts the marks between two starters by their classes, stably.</summary>
    private static void Reorder(List<int> points, Tables tables)
    {
        for (var i = 1; i < points.Count; i++)
        {
            var point = points[i];
            var rank = tables.ClassOf(point);
            var at = i;
            for (; rank != 0 && at > 0 && tables.ClassOf(points[at - 1]) > rank; at--)
                points[at] = points[at - 1];
            points[at] = point;
        }
    }

    /// <summary>
    /// Joins each mark with the last starter, unless a mark of the same or a higher class stands between.
    /// </summary>
    private static void Recompose(List<int> points, Tables tables)
    {
        var kept = 0;
        var starter = -1;
        var lastRank = 0;
        for (var i = 0; i < points.Count; i++)
        {
            var point = points[i];
            var rank = tables.ClassOf(point);
            var reachable = starter >= 0 && (kept == starter + 1 || (lastRank < rank && lastRank != 0));
            if (reachable && TryJoin(points[starter], point, tables, out var joined))
            {
                points[starter] = joined;
                continue;
            }
            if (rank == 0)
                starter = kept;
            lastRank = rank;
            points[kept++] = point;
        }
        points.RemoveRange(kept, points.Count - kept);
    }

    private static bool TryJoin(int first, int second, Tables tables, out int joined)
    {
        var (lead, vowel, trail) = (first - LeadBase, second - VowelBase, second - TrailBase);
        if (lead is >= 0 and < LeadCount && vowel is >= 0 and < VowelCount)
        {
            joined = SyllableBase + (((lead * VowelCount) + vowel) * TrailCount);
            return true;
        }
        var syllable = first - SyllableBase;
        if (syllable is >= 0 and < SyllableCount && syllable % TrailCount == 0
            && trail is > 0 and < TrailCount)
        {
            joined = first + trail;
            return true;
        }
        return tables.Compositions.TryGetValue((first, second), out joined);
    }

    private sealed record Tables(
        Dictionary<int, int> Classes,
        Dictionary<int, (int First, int Second)> Decompositions,
        Dictionary<(int First, int Second), int> Compositions)
    {
        public int ClassOf(int point) => point < 0x300 ? 0 : Classes.GetValueOrDefault(point);

        public static Tables Read()
        {
            var tables = new Tables([], [], []);
            using var stream = typeof(UnicodeComposition).Assembly
                .GetManifestResourceStream("unicode-composition.txt")!;
            using var lines = new StreamReader(stream);
            while (lines.ReadLine() is { } line)
                tables.Add(line.Split(' '));
            return tables;
        }

        private void Add(string[] words)
        {
            switch (words)
            {
                case ["c", var rank, var from, var to]:
                    for (var point = Hex(from); point <= Hex(to); point++)
                        Classes[point] = int.Parse(rank, CultureInfo.InvariantCulture);
                    break;
                case ["d", var point, var first, var second]:
                    Decompositions[Hex(point)] = (Hex(first), Hex(second));
                    Compositions[(Hex(first), Hex(second))] = Hex(point);
                    break;
                case ["x", var point, var first, .. var rest]:
                    Decompositions[Hex(point)] = (Hex(first), rest is [var last] ? Hex(last) : 0);
                    break;
            }
        }

        private static int Hex(string digits) =>
            int.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }
}
