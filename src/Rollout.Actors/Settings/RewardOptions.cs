namespace Rollout.Actors.Settings;

/// <summary>
/// The options of one reward function. The function's factory reads them by type; an error names file, line and key.
/// </summary>
public sealed class RewardOptions
{
    private readonly string _type;
    private readonly ConfigSection _section;
    private readonly string[] _given;
    private readonly SortedSet<string> _known = new(StringComparer.Ordinal);

    internal RewardOptions(string type, ConfigSection section, string[] common)
    {
        _type = type;
        _section = section;
        _given = [.. section.Keys.Except(common)];
    }

    /// <summary>The option is given.</summary>
    public bool Has(string key) => _given.Contains(key);

    /// <summary>Reads an option that must be given.</summary>
    /// <exception cref="ConfigurationException">It is missing, or its value is wrong.</exception>
    public T Read<T>(string key, Func<ConfigSection, string, T> read)
    {
        _known.Add(key);
        if (Has(key))
            return read(_section, key);
        var meant = Spelling.Nearest(key, _given.Except(_known)) is { } misspelt ? $", and has {misspelt}" : "";
        throw Error($"needs the option {key}{meant}");
    }

    /// <summary>Reads an option that has a default.</summary>
    /// <exception cref="ConfigurationException">Its value is wrong.</exception>
    public T Read<T>(string key, Func<ConfigSection, string, T> read, T otherwise)
    {
        _known.Add(key);
        return Has(key) ? read(_section, key) : otherwise;
    }

    /// <summary>All options that nothing has read, as texts, for a C# type's constructor.</summary>
    public IReadOnlyDictionary<string, string> ReadRest()
    {
        var rest = _given.Except(_known).ToDictionary(key => key, _section.Text);
        _known.UnionWith(rest.Keys);
        return rest;
    }

    /// <summary>Refuses options that the function does not have.</summary>
    /// <exception cref="ConfigurationException">There is one; the message lists those that it has.</exception>
    public void RequireAllRead()
    {
        if (_given.FirstOrDefault(key => !_known.Contains(key)) is { } unknown)
        {
            throw _section.Invalid(unknown, _known.Count == 0
                ? $"no option but name and weight, as reward {_type} takes none"
                : $"an option of reward {_type}: {string.Join(", ", _known)}");
        }
    }

    /// <summary>The error of a value that can't be used.</summary>
    public ConfigurationException Invalid(string key, string expected) => _section.Invalid(key, expected);

    /// <summary>The error of a reward that can't be made.</summary>
    public ConfigurationException Error(string sentence) => new($"{_section.Origin}: reward {_type} {sentence}");
}
