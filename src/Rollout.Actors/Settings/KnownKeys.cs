using Rollout.Actors.Settings.Hocon;

namespace Rollout.Actors.Settings;

/// <summary>
/// Refuses keys that the reference lacks, and names the nearest that it has. The section <c>akka</c> may hold any.
/// </summary>
internal sealed class KnownKeys(HoconObject reference)
{
    public void Check(HoconObject root)
    {
        foreach (var (key, value) in root.Fields)
        {
            if (key is not ("rollout" or "akka"))
                throw Unknown([key], value, "expected everything in rollout { } or akka { }");
            if (value is not HoconObject section)
                throw NoSection([key], value);
            if (key == "rollout")
                Check(section, (HoconObject)reference.Fields[key], [key]);
        }
    }

    private void Check(HoconObject section, HoconObject known, string[] path)
    {
        foreach (var (key, value) in section.Fields)
        {
            string[] full = [.. path, key];
            if (!known.Fields.TryGetValue(key, out var counterpart))
                throw Unknown(full, value, $"expected one of {string.Join(", ", known.Fields.Keys)}");
            if (counterpart is not HoconObject knownSection)
                continue;
            Check(value as HoconObject ?? throw NoSection(full, value), knownSection, full);
        }
    }

    private ConfigurationException Unknown(string[] path, HoconValue value, string otherwise)
    {
        var nearest = Nearest(path);
        var advice = nearest is null ? otherwise : $"did you mean {Shown(nearest, path)}?";
        return new($"{value.Origin}: {HoconWriter.Path(path)} is not a known key; {advice}");
    }

    private static ConfigurationException NoSection(string[] path, HoconValue value) =>
        ConfigSection.Error(HoconWriter.Path(path), value, "a section in braces");

    /// <summary>A key of the same section by its own name, another by its whole path.</summary>
    private static string Shown(string[] nearest, string[] path) =>
        nearest.AsSpan(0, nearest.Length - 1).SequenceEqual(path.AsSpan(0, path.Length - 1))
            ? nearest[^1]
            : HoconWriter.Path(nearest);

    /// <summary>
    /// The key with the fewest letters to change in its last part; the same section wins among equals.
    /// </summary>
    private string[]? Nearest(string[] path) => Paths(reference, [])
        .Select(known => (Known: known, Changes: Spelling.Changes(path[^1], known[^1])))
        .Where(candidate => candidate.Changes is not null)
        .OrderBy(candidate => candidate.Changes)
        .ThenByDescending(candidate => candidate.Known.AsSpan().CommonPrefixLength(path))
        .ThenBy(candidate => candidate.Known.Length)
        .FirstOrDefault()
        .Known;

    private static IEnumerable<string[]> Paths(HoconObject section, string[] path) =>
        section.Fields.SelectMany(field => (string[][])
        [
            [.. path, field.Key],
            .. field.Value is HoconObject inner ? Paths(inner, [.. path, field.Key]) : [],
        ]);
}
