using System.Globalization;
using System.Text.RegularExpressions;
using Rollout.Actors.Settings.Hocon;

namespace Rollout.Actors.Settings;

/// <summary>
/// One section of a <see cref="ConfigTree"/>, whose keys are read by type. An error names the place, the key's full
/// name, the value and what is expected. A key that the section lacks is a mistake of the caller, as the reference has
/// them all.
/// </summary>
public sealed partial class ConfigSection
{
    /// <summary>The longest duration: timers overflow soon after.</summary>
    private static TimeSpan MaxDuration { get; } = TimeSpan.FromDays(24);

    private readonly HoconObject _values;
    private readonly ConfigTree _tree;

    internal ConfigSection(HoconObject values, string path, ConfigTree tree)
    {
        _values = values;
        Path = path;
        _tree = tree;
    }

    /// <summary>The section's full name, such as <c>rollout.train</c>.</summary>
    public string Path { get; }

    internal IEnumerable<string> Keys => _values.Fields.Keys;

    internal Origin Origin => _values.Origin;

    public ConfigSection Section(string key) =>
        new(Value(key) as HoconObject ?? throw Invalid(key, "a section in braces"), Name(key), _tree);

    /// <summary>The sections in a list.</summary>
    public IReadOnlyList<ConfigSection> Sections(string key)
    {
        var items = (Value(key) as HoconList ?? throw Invalid(key, "a list of sections in brackets")).Items;
        return
        [
            .. items.Select((item, i) => new ConfigSection(
                item as HoconObject ?? throw Error($"{Name(key)}[{i}]", item, "a section in braces"),
                $"{Name(key)}[{i}]",
                _tree)),
        ];
    }

    /// <summary>This entry of a list, with the keys of its defaults where it has none.</summary>
    /// <param name="defaults">The section that has them all.</param>
    /// <param name="own">Keys that only the entry has.</param>
    /// <exception cref="ConfigurationException">The entry has a key that neither knows.</exception>
    internal ConfigSection Over(ConfigSection defaults, params string[] own)
    {
        var known = defaults._values.Fields;
        if (Keys.FirstOrDefault(key => !own.Contains(key) && !known.ContainsKey(key)) is { } unknown)
            throw Invalid(unknown, $"one of {string.Join(", ", own.Concat(defaults.Keys))}");
        var merged = new HoconObject(_values.Origin);
        foreach (var (key, value) in known.Concat(_values.Fields))
            merged.Fields[key] = value;
        return new ConfigSection(merged, Path, _tree);
    }

    public string Text(string key) => ScalarOf(key, "a text");

    /// <summary>A text of at least one character.</summary>
    public string NonEmptyText(string key) =>
        Text(key) is { Length: > 0 } text ? text : throw Invalid(key, "a text");

    /// <summary>A whole number.</summary>
    public int Whole(string key, Bounds bounds)
    {
        var number = Whole64(key, bounds);
        return number == (int)number
            ? (int)number
            : throw Invalid(key, $"a whole number of at most {int.MaxValue}");
    }

    /// <summary>A whole number; <c>1e6</c> is one.</summary>
    public long Whole64(string key, Bounds bounds)
    {
        const string Expected = "a whole number";
        var text = ScalarOf(key, Expected);
        if (!long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number))
        {
            // Up to 2^53 a double holds every whole number.
            if (Units.Number(text) is not { } real || real != Math.Floor(real) || Math.Abs(real) > 1L << 53)
                throw Invalid(key, Expected);
            number = (long)real;
        }

        return bounds.Contain(number) ? number : throw Invalid(key, $"{Expected} {bounds}");
    }

    public double Number(string key, Bounds bounds)
    {
        var number = Units.Number(ScalarOf(key, "a number")) ?? throw Invalid(key, "a number");
        return bounds.Contain(number) ? number : throw Invalid(key, $"a number {bounds}");
    }

    /// <summary>A number, or a word that stands for one.</summary>
    public double Number(string key, Bounds bounds, string word, double meaning)
    {
        var text = ScalarOf(key, $"a number or {word}");
        if (text == word)
            return meaning;
        return Units.Number(text) is { } number && bounds.Contain(number)
            ? number
            : throw Invalid(key, $"a number {bounds}, or {word}");
    }

    public bool Bool(string key) => ScalarOf(key, "on or off") switch
    {
        "on" or "true" => true,
        "off" or "false" => false,
        _ => throw Invalid(key, "on or off"),
    };

    /// <summary>A value of an enum, written in kebab-case.</summary>
    public T Choice<T>(string key)
        where T : struct, Enum =>
        Choice(key, Enum.GetValues<T>().ToDictionary(Written));

    /// <summary>A value of an enum, or a word that stands for one.</summary>
    public T Choice<T>(string key, string word, T meaning)
        where T : struct, Enum =>
        Choice(key, new Dictionary<string, T>(Enum.GetValues<T>().ToDictionary(Written)) { [word] = meaning });

    /// <summary>How a value of an enum is written: in kebab-case, <c>PlusPlus</c> as <c>++</c>.</summary>
    internal static string Written<T>(T value)
        where T : struct, Enum =>
        Kebab(value.ToString().Replace("PlusPlus", "++", StringComparison.Ordinal));

    /// <summary>A duration with its unit, from 1 ms to 24 days.</summary>
    public TimeSpan Duration(string key)
    {
        const string Expected = "a duration with its unit (ms, s, m, h or d), such as 500ms or 10m";
        var duration = Units.Duration(ScalarOf(key, Expected)) ?? throw Invalid(key, Expected);
        return duration >= TimeSpan.FromMilliseconds(1) && duration <= MaxDuration
            ? duration
            : throw Invalid(key, $"a duration from 1ms to {MaxDuration.Days}d");
    }

    /// <summary>A size with its unit, at least 1 byte.</summary>
    public long Bytes(string key)
    {
        const string Expected =
            "a size with its unit (B, kB, MB, GB, TB, KiB, MiB, GiB or TiB), such as 256MiB or 1GB";
        var bytes = Units.Bytes(ScalarOf(key, Expected)) ?? throw Invalid(key, Expected);
        return bytes >= 1 ? bytes : throw Invalid(key, "a size of at least 1 byte");
    }

    public IReadOnlyList<string> Texts(string key)
    {
        const string Expected = "a list of texts";
        var list = Value(key) as HoconList ?? throw Invalid(key, Expected);
        return [.. list.Items.Select(item => (item as HoconScalar ?? throw Invalid(key, Expected)).Text)];
    }

    /// <summary>
    /// The error for a value that can't be used: <c>FILE:LINE: key = value: expected …</c>. For a default it names the
    /// job file, where the key is missing, and not the reference, which nobody edits.
    /// </summary>
    public ConfigurationException Invalid(string key, string expected)
    {
        var value = _values.Fields[key];
        if (value.Origin.Source != _tree.Defaults)
            return Error(Name(key), value, expected);
        var where = _tree.File is null ? "" : $"{_tree.File}: ";
        var what = value is HoconScalar { Text: "" } or HoconList { Items: [] }
            ? "is not set"
            : $"= {Shown(value)} by default";
        return new($"{where}{Name(key)} {what}: expected {expected}");
    }

    internal string Name(string key) => $"{Path}.{HoconWriter.Key(key)}";

    internal static string Shown(HoconValue value) => value switch
    {
        HoconScalar scalar when PlainNumber().IsMatch(scalar.Text) => scalar.Text,
        HoconScalar scalar => HoconWriter.QuoteShort(scalar.Text),
        HoconList => "[…]",
        _ => "{…}",
    };

    internal static ConfigurationException Error(string name, HoconValue value, string expected) =>
        new($"{value.Origin}: {name} = {Shown(value)}: expected {expected}");

    private string ScalarOf(string key, string expected) =>
        Value(key) is HoconScalar scalar ? scalar.Text : throw Invalid(key, expected);

    private T Choice<T>(string key, Dictionary<string, T> names)
    {
        var expected = "one of " + string.Join(", ", names.Keys);
        var known = names.TryGetValue(ScalarOf(key, expected), out var value);
        return known ? value! : throw Invalid(key, expected);
    }

    private HoconValue Value(string key)
    {
        _tree.ReadKeys.Add(Name(key));
        return _values.Fields.TryGetValue(key, out var value)
            ? value
            : throw new InvalidOperationException($"{Name(key)} is not in reference.conf.");
    }

    private static string Kebab(string name) => Capital().Replace(name, "-$1").ToLowerInvariant();

    [GeneratedRegex("(?<!^)([A-Z])")]
    private static partial Regex Capital();

    [GeneratedRegex(@"\A[-+]?[0-9][-+0-9.eE]{0,40}\z")]
    private static partial Regex PlainNumber();
}
