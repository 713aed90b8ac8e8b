using Rollout.Actors.Settings.Hocon;

namespace Rollout.Actors.Settings;

/// <summary>
/// The configuration of a process: the embedded reference, a job file over it, and <c>--set</c> arguments over
/// both. Every command loads one and reads <see cref="RolloutSettings"/> from it. Substitutions are replaced, unknown
/// keys refused, paths absolute, and every value knows where it is written.
/// </summary>
public sealed class ConfigTree
{
    private const string ReferenceName = "reference.conf";

    /// <summary>The keys below <c>rollout</c> whose texts name files; so do some of a reward and of a dataset in a list.</summary>
    private static readonly string[][] PathKeys =
    [
        ["model", "path"],
        ["model", "adapter"],
        .. from type in (string[])["jsonl", "csv", "parquet"] from key in FileSettings.PathKeys select (string[])["data", type, key],
        ["cluster", "tls", "certificate"],
        ["cluster", "tls", "ca"],
        ["serve", "api-keys"],
        ["serve", "weights-folder"],
        ["serve", "tls", "certificate"],
        ["serve", "tls", "key"],
    ];

    private static readonly string[] LogLevels = ["OFF", "ERROR", "WARNING", "INFO", "DEBUG"];

    private ConfigTree(HoconObject root, HoconObject reference, SourceText defaults, string? file)
    {
        (Root, Reference, Defaults, File) = (root, reference, defaults, file);
        Rollout = new ConfigSection((HoconObject)root.Fields["rollout"], "rollout", this);
    }

    /// <summary>The section that the settings are read from.</summary>
    public ConfigSection Rollout { get; }

    /// <summary>The whole tree: <c>rollout</c> and, where given, <c>akka</c>.</summary>
    internal HoconObject Root { get; }

    /// <summary>The reference alone.</summary>
    internal HoconObject Reference { get; }

    /// <summary>The source of the values that nobody has set.</summary>
    internal SourceText Defaults { get; }

    /// <summary>The job file as the user gave it, or null.</summary>
    internal string? File { get; }

    /// <summary>The full names of the keys that were read so far.</summary>
    internal HashSet<string> ReadKeys { get; } = [];

    /// <summary>Reads the layers; <see cref="RolloutSettings"/> then checks types and ranges.</summary>
    /// <param name="file">A job file; null takes the reference alone.</param>
    /// <param name="overrides">
    /// Each <c>key=value</c>; the key may leave out <c>rollout.</c>, the last of a key wins.
    /// </param>
    /// <param name="options">
    /// The same for options of the command line that stand for a key, each with its name for messages. The overrides win.
    /// </param>
    /// <exception cref="ConfigurationException">Something is not valid or not known.</exception>
    public static ConfigTree Load(
        string? file = null,
        IEnumerable<string>? overrides = null,
        IEnumerable<(string Option, string Setting)>? options = null)
    {
        try
        {
            var (reference, _) = ReadReference();
            var (root, defaults) = ReadReference();
            if (file is not null)
                new HoconFiles().Read(file, root);
            foreach (var (option, setting) in options ?? [])
                Set(setting, root, option);
            foreach (var argument in overrides ?? [])
                Set(argument, root, "--set");
            HoconReference.ReplaceAll(root);
            new KnownKeys(reference).Check(root);
            MakePathsAbsolute(root);
            CheckLogLevels(root);
            return new ConfigTree(root, reference, defaults, file);
        }
        catch (HoconException wrong)
        {
            throw new ConfigurationException(wrong.Message, wrong);
        }
    }

    /// <summary>
    /// The <c>akka</c> section for Akka's own parser; empty where the configuration has none. Every key and text is in
    /// quotes, as that parser is lenient where a mistake would matter. (Akka itself trims every text that it hands out,
    /// and takes "null" for none; no notation changes that.)
    /// </summary>
    public string RenderAkka() => RenderOnly("akka", quoteAll: true);

    /// <summary>The whole effective configuration; loaded as a file it gives the same tree.</summary>
    public string Render() => RenderOnly("rollout", quoteAll: false) + RenderOnly("akka", quoteAll: false);

    /// <summary>Every key with its value and where that is written, in the reference's order.</summary>
    public IEnumerable<ConfigEntry> Entries() => EntriesOf(Root, []);

    private IEnumerable<ConfigEntry> EntriesOf(HoconObject section, string[] path)
    {
        foreach (var (key, value) in section.Fields)
        {
            string[] full = [.. path, key];
            if (value is HoconObject { Fields.Count: > 0 } inner)
            {
                foreach (var entry in EntriesOf(inner, full))
                    yield return entry;
            }
            else
            {
                yield return new ConfigEntry(
                    HoconWriter.Path(full), HoconWriter.Value(value), $"{value.Origin}", value.Origin.Source == Defaults);
            }
        }
    }

    private string RenderOnly(string key, bool quoteAll)
    {
        if (!Root.Fields.TryGetValue(key, out var value))
            return "";
        var only = new HoconObject(value.Origin);
        only.Set(key, value);
        return HoconWriter.Write(only, quoteAll);
    }

    private static (HoconObject Root, SourceText Source) ReadReference()
    {
        using var stream = typeof(ConfigTree).Assembly.GetManifestResourceStream(ReferenceName)
            ?? throw new InvalidOperationException($"{ReferenceName} is not embedded in Rollout.Actors.");
        using var reader = new StreamReader(stream);
        var source = new SourceText(ReferenceName);
        var root = new HoconObject(new Origin(source, 1, 1));
        HoconParser.ReadSource(reader.ReadToEnd(), source, new HoconFiles(), root, depth: 0);
        return (root, source);
    }

    /// <summary>
    /// Applies <c>key=value</c>. A value that begins with <c>{</c>, <c>[</c>, a quote or <c>$</c> is HOCON; any
    /// other is the text itself, so that paths and <c>cuda:1</c> need no quotes within the shell's.
    /// </summary>
    private static void Set(string argument, HoconObject root, string option)
    {
        var source = new SourceText(option, isArgument: true);
        var sign = argument.IndexOf('=');
        if (sign < 0)
            throw new ConfigurationException($"--set {argument}: expected key=value");
        var path = HoconParser.ReadPath(argument[..sign], source);
        if (path[0] is not ("rollout" or "akka"))
            path = ["rollout", .. path];
        if (path.Length > HoconParser.MaxDepth)
            throw new ConfigurationException($"--set: expected a key of at most {HoconParser.MaxDepth} levels");

        var origin = new Origin(source, 1, sign + 2);
        var holder = root;
        foreach (var key in path[..^1])
            holder = holder.Section(key, origin);
        var text = argument[(sign + 1)..].Trim();
        if (text is ['{' or '[' or '"' or '$', ..])
            HoconParser.ReadValue(argument, sign + 1, source, holder, path[^1]);
        else
            holder.Set(path[^1], new HoconScalar(text, origin));
    }

    /// <summary>
    /// A relative path starts from the folder of the file that it is written in, or from the current directory if it
    /// comes from the command line; "" is unset.
    /// </summary>
    private static void MakePathsAbsolute(HoconObject root)
    {
        foreach (var path in PathKeys)
            MakeAbsolute(root.Find(["rollout", .. path[..^1]]), path[^1]);
        MakeAbsolute(root.Find("rollout", "rewards") as HoconList, RewardSettings.PathKeys);
        MakeAbsolute(root.Find("rollout", "data", "mix") as HoconList, FileSettings.PathKeys);
        MakeAbsolute(root.Find("rollout", "eval", "sets") as HoconList, FileSettings.PathKeys);
    }

    private static void MakeAbsolute(HoconList? entries, string[] keys)
    {
        foreach (var entry in entries?.Items ?? [])
            Array.ForEach(keys, key => MakeAbsolute(entry, key));
    }

    private static void MakeAbsolute(HoconValue? section, string key)
    {
        if (section is not HoconObject { Fields: var fields }
            || fields.GetValueOrDefault(key) is not HoconScalar { Text.Length: > 0 } scalar)
            return;
        if (scalar.Text.Contains('\0'))
            throw scalar.Origin.Error("expected a path without NUL");
        var path = Path.GetFullPath(Path.Combine(scalar.Origin.Source.Folder, scalar.Text));
        fields[key] = new HoconScalar(path, scalar.Origin);
    }

    /// <summary>Akka refuses another level without saying where it is written.</summary>
    private static void CheckLogLevels(HoconObject root)
    {
        foreach (var key in (string[])["loglevel", "stdout-loglevel"])
        {
            if (root.Find("akka", key) is { } value
                && !(value is HoconScalar level && LogLevels.Contains(level.Text, StringComparer.OrdinalIgnoreCase)))
                throw ConfigSection.Error($"akka.{key}", value, $"one of {string.Join(", ", LogLevels)}");
        }
    }
}
