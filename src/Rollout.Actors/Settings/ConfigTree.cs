using Rollout.Actors.Settings.Hocon;

namespace Rollout.Actors.Settings;

/// <summary>
/// The configuration of a process: the embedded reference, a file over it, and <c>--set</c> arguments over
/// both, with substitutions followed, unknown keys refused and paths made absolute. Every value knows where
/// it was written.
/// </summary>
public sealed class ConfigTree
{
    private const string ReferenceName = "reference.conf";

    private readonly HashSet<string> _read = [];

    private ConfigTree(HoconObject root, HoconObject reference)
    {
        Root = root;
        Reference = reference;
        Rollout = new ConfigSection((HoconObject)root.Fields["rollout"], "rollout", _read);
    }

    /// <summary>All of it: <c>rollout</c> and, where given, <c>akka</c>.</summary>
    public HoconObject Root { get; }

    /// <summary>The section that the settings are read from.</summary>
    public ConfigSection Rollout { get; }

    internal HoconObject Reference { get; }

    /// <summary>The full names of the keys that were read so far.</summary>
    internal IReadOnlySet<string> ReadKeys => _read;

    /// <summary>Reads the layers; the settings then check types and ranges.</summary>
    /// <param name="file">A job file; null takes the reference alone.</param>
    /// <param name="overrides">
    /// Each <c>key=value</c>; the key may leave out <c>rollout.</c>, the last of a key wins.
    /// </param>
    /// <param name="environment">
    /// Variables for substitutions that no key answers; null takes those of the process.
    /// </param>
    /// <exception cref="ConfigurationException">Something is not valid or not known.</exception>
    public static ConfigTree Load(
        string? file = null, IEnumerable<string>? overrides = null, Func<string, string?>? environment = null)
    {
        environment ??= Environment.GetEnvironmentVariable;
        var reference = Resolver.Resolve(HoconText.ParseRaw(ReferenceText(), ReferenceName), environment);

        var merged = new RawObject(path: [], new Origin(new SourceText(ReferenceName), 1, 1));
        merged.Merge(HoconText.ParseRaw(ReferenceText(), ReferenceName));
        if (file is not null)
            merged.Merge(new IncludeReader().Read(file));
        foreach (var argument in overrides ?? [])
            merged.Merge(SetArgument.Parse(argument));

        var root = Resolver.Resolve(merged, environment);
        new KnownKeys(reference).Check(root);
        return new ConfigTree(PathKeys.MakeAbsolute(root), reference);
    }

    /// <summary>
    /// The <c>akka</c> section, every key and text in quotes, for Akka's own parser, which is lenient where a
    /// mistake would matter. Empty where the configuration has none. (Akka itself trims every text that it
    /// hands out, and takes "null" for none; no notation changes that.)
    /// </summary>
    public string RenderAkka() => RenderOnly("akka", quoteAll: true);

    /// <summary>The whole effective configuration; loaded as a file it gives the same tree.</summary>
    public string Render() => RenderOnly("rollout", quoteAll: false) + RenderOnly("akka", quoteAll: false);

    private string RenderOnly(string key, bool quoteAll) => Root.Fields.TryGetValue(key, out var value)
        ? HoconWriter.Write(new HoconObject(new() { [key] = value }, value.Origin), quoteAll)
        : "";

    private static string ReferenceText()
    {
        using var stream = typeof(ConfigTree).Assembly.GetManifestResourceStream(ReferenceName)
            ?? throw new InvalidOperationException($"{ReferenceName} is not embedded in Rollout.Actors.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
