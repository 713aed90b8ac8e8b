namespace Rollout.Actors.Settings;

/// <summary>Finds the word that a misspelt one was meant to be.</summary>
internal static class Spelling
{
    /// <summary>Nothing is near a longer word.</summary>
    private const int Longest = 64;

    /// <summary>The known word with the fewest letters to change; the first among equals, null where none is near.</summary>
    public static string? Nearest(string word, IEnumerable<string> known) =>
        known.Select(one => (Word: one, Changes: Changes(word, one)))
            .Where(one => one.Changes is not null)
            .OrderBy(one => one.Changes)
            .FirstOrDefault()
            .Word;

    /// <summary>Letters to insert, remove or replace (Levenshtein's distance); null where more than a third would change.</summary>
    public static int? Changes(string word, string known)
    {
        var wanted = word.Replace('_', '-').ToLowerInvariant();
        return wanted.Length <= Longest && Distance(wanted, known) is var changes && changes <= Math.Max(1, wanted.Length / 3)
            ? changes
            : null;
    }

    private static int Distance(string from, string to)
    {
        var row = Enumerable.Range(0, to.Length + 1).ToArray();
        for (var i = 0; i < from.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i + 1;
            for (var j = 0; j < to.Length; j++)
            {
                var replaced = diagonal + (from[i] == to[j] ? 0 : 1);
                diagonal = row[j + 1];
                row[j + 1] = Math.Min(replaced, 1 + Math.Min(row[j], diagonal));
            }
        }

        return row[^1];
    }
}
