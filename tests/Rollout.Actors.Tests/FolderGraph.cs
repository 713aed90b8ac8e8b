using System.Text;
using System.Text.RegularExpressions;

namespace Rollout.Actors.Tests;

/// <summary>
/// Which folders of the sources use which others, read from namespaces, usings and qualified names. ArchitectureTests
/// asks it for cycles.
/// </summary>
internal sealed partial class FolderGraph
{
    private readonly Dictionary<string, HashSet<string>> _typesOf;
    private readonly SortedDictionary<string, SortedDictionary<string, SortedSet<string>>> _uses =
        new(StringComparer.Ordinal);

    /// <param name="sources">Names and contents of C# files with file-scoped namespaces.</param>
    public FolderGraph(IEnumerable<(string Name, string Text)> sources)
    {
        var files = sources.Select(source => (source.Name, Code: Comments().Replace(source.Text, " ")))
            .Select(file => (file.Name, file.Code, Folder: Namespace().Match(file.Code).Groups["name"].Value))
            .Where(file => file.Folder.Length > 0)
            .ToArray();
        _typesOf = files.GroupBy(file => file.Folder).ToDictionary(
            folder => folder.Key,
            folder => folder.SelectMany(file => Declaration().Matches(file.Code))
                .Select(match => match.Groups["name"].Value).ToHashSet());
        foreach (var file in files)
        {
            var uses = _uses.TryGetValue(file.Folder, out var known) ? known : _uses[file.Folder] = new(StringComparer.Ordinal);
            foreach (var used in UsedBy(file.Folder, file.Code).Where(used => used != file.Folder))
                (uses.TryGetValue(used, out var by) ? by : uses[used] = new(StringComparer.Ordinal)).Add(file.Name);
        }
    }

    /// <summary>Folders that use each other in a circle, each with all that take part; empty where there are none.</summary>
    public IReadOnlyList<string[]> Cycles() =>
    [
        .. _uses.Keys.Select(folder => _uses.Keys.Where(other => Reaches(folder, other) && Reaches(other, folder)).ToArray())
            .Where(circle => circle.Length > 1)
            .DistinctBy(circle => string.Join(' ', circle)),
    ];

    /// <summary>A line for each folder and each folder that it uses, with the files that do.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        foreach (var (folder, uses) in _uses)
        {
            text.AppendLine(folder);
            foreach (var (used, files) in uses)
                text.AppendLine($"  -> {used}  ({string.Join(", ", files.Take(3))}{(files.Count > 3 ? $" and {files.Count - 3} more" : "")})");
        }
        return text.ToString();
    }

    private bool Reaches(string from, string to)
    {
        var seen = new HashSet<string> { from };
        for (var open = new Stack<string>([from]); open.TryPop(out var folder);)
        {
            if (folder == to)
                return true;
            if (!_uses.TryGetValue(folder, out var uses))
                continue;
            foreach (var next in uses.Keys.Where(seen.Add))
                open.Push(next);
        }
        return false;
    }

    private IEnumerable<string> UsedBy(string folder, string code)
    {
        foreach (Match match in QualifiedName().Matches(code))
        {
            if (Resolved(folder, match.Value) is { } used)
                yield return used;
        }

        // Types of the folders above need neither a using nor a qualified name.
        var words = Word().Matches(code).Select(match => match.Value).ToHashSet();
        foreach (var parent in Enclosing(folder).Skip(1))
        {
            if (_typesOf.TryGetValue(parent, out var types) && types.Overlaps(words))
                yield return parent;
        }
    }

    // A using names a namespace, or a type of one; other names can also begin below any enclosing namespace.
    private string? Resolved(string folder, string name)
    {
        for (var prefix = name; prefix.Length > 0; prefix = prefix[..Math.Max(0, prefix.LastIndexOf('.'))])
        {
            foreach (var candidate in Enclosing(folder).Select(outer => $"{outer}.{prefix}").Append(prefix))
            {
                if (!_typesOf.TryGetValue(candidate, out var types))
                    continue;
                var rest = name[prefix.Length..].TrimStart('.').Split('.')[0];
                if (candidate == name || types.Contains(rest))
                    return candidate;
            }
        }
        return null;
    }

    private static IEnumerable<string> Enclosing(string folder)
    {
        for (var outer = folder; outer.Length > 0; outer = outer[..Math.Max(0, outer.LastIndexOf('.'))])
            yield return outer;
    }

    [GeneratedRegex("""//[^\n]*|/\*.*?\*/|"(\\.|[^"\\\n])*"(?!")""", RegexOptions.Singleline)]
    private static partial Regex Comments();

    [GeneratedRegex(@"^namespace (?<name>[\w.]+);", RegexOptions.Multiline)]
    private static partial Regex Namespace();

    [GeneratedRegex(
        @"^(public|internal)\s+((static|sealed|abstract|readonly|partial|unsafe|ref)\s+)*"
        + @"(class|record struct|record|struct|interface|enum)\s+(?<name>\w+)",
        RegexOptions.Multiline)]
    private static partial Regex Declaration();

    [GeneratedRegex(@"(?<![\w.])[A-Z]\w*(\.[A-Z]\w*)+")]
    private static partial Regex QualifiedName();

    [GeneratedRegex(@"\b[A-Z]\w*")]
    private static partial Regex Word();
}
