namespace Rollout.Actors.Settings;

/// <summary>The kinds of dataset.</summary>
public enum DatasetType
{
    /// <summary>Generated additions.</summary>
    Arithmetic,

    /// <summary>Generated prompts.</summary>
    Keyword,

    /// <summary>Generated problems of the numbers game.</summary>
    Countdown,

    /// <summary>Files of JSON lines.</summary>
    Jsonl,

    /// <summary>Files of comma-separated values.</summary>
    Csv,

    /// <summary>Parquet files.</summary>
    Parquet,
}

/// <summary>The section <c>data</c>.</summary>
public sealed record DataSettings
{
    internal const string TypeKey = "type", NameKey = "name";

    private const string WeightKey = "weight";

    /// <summary>What the run trains on: the list <c>mix</c>, or the one dataset of <c>type</c>.</summary>
    public required IReadOnlyList<DatasetShare> Datasets { get; init; }

    /// <summary>The section of each type.</summary>
    public required IReadOnlyDictionary<DatasetType, DatasetSettings> Sections { get; init; }

    /// <summary>Null shuffles from the start.</summary>
    public required CurriculumSettings? Curriculum { get; init; }

    /// <exception cref="ConfigurationException">A value is wrong, or two datasets of a mix have one name.</exception>
    public static DataSettings From(ConfigSection section)
    {
        var sections = Enum.GetValues<DatasetType>()
            .ToDictionary(type => type, type => DatasetSettings.From(type, DefaultsOf(type, section)));
        var type = section.Choice<DatasetType>(TypeKey);
        DatasetShare[] mix = [.. section.Sections("mix").Select(entry => Share(entry, section))];
        RequireNames(mix, section.Sections("mix"));
        if (mix.Length == 0)
            DatasetSettings.RequireFile(sections[type], DefaultsOf(type, section));
        return new DataSettings
        {
            Datasets = mix.Length > 0 ? mix : [new DatasetShare(null, 1, sections[type])],
            Sections = sections,
            Curriculum = CurriculumSettings.From(section.Section("curriculum")),
        };
    }

    /// <summary>The type of an entry of a list of datasets.</summary>
    /// <exception cref="ConfigurationException">It has none, or one that does not exist.</exception>
    internal static DatasetType TypeOf(ConfigSection entry) => entry.Keys.Contains(TypeKey)
        ? entry.Choice<DatasetType>(TypeKey)
        : throw new ConfigurationException(
            $"{entry.Origin}: {entry.Path} has no {TypeKey}, expected {{ {TypeKey} = NAME }}");

    /// <summary>The section of <c>data</c> with the defaults of a type.</summary>
    internal static ConfigSection DefaultsOf(DatasetType type, ConfigSection section) =>
        section.Section(ConfigSection.Written(type));

    /// <summary>An entry of the list: its keys over those of its type's section.</summary>
    private static DatasetShare Share(ConfigSection entry, ConfigSection section)
    {
        var type = TypeOf(entry);
        var merged = entry.Over(DefaultsOf(type, section), TypeKey, NameKey, WeightKey);
        var dataset = DatasetSettings.From(type, merged);
        DatasetSettings.RequireFile(dataset, merged);
        return new DatasetShare(
            entry.Keys.Contains(NameKey) ? entry.NonEmptyText(NameKey) : ConfigSection.Written(type),
            entry.Keys.Contains(WeightKey) ? entry.Number(WeightKey, Bounds.Between(1e-6, 1e6)) : 1,
            dataset);
    }

    private static void RequireNames(DatasetShare[] mix, IReadOnlyList<ConfigSection> entries)
    {
        var names = new HashSet<string?>();
        foreach (var (share, entry) in mix.Zip(entries))
        {
            if (!names.Add(share.Name))
            {
                throw entry.Invalid(
                    entry.Keys.Contains(NameKey) ? NameKey : TypeKey,
                    $"a {NameKey} that no other dataset has, as prompts carry it");
            }
        }
    }
}

/// <summary>One dataset of those that a run trains on.</summary>
/// <param name="Name">The field "dataset" of its prompts; null where it is the only one.</param>
/// <param name="Weight">Its share of the prompts, relative to the other weights.</param>
/// <param name="Dataset">Its own settings.</param>
public sealed record DatasetShare(string? Name, double Weight, DatasetSettings Dataset);

/// <summary>The section <c>data.curriculum</c>.</summary>
/// <param name="Field">The field with a prompt's difficulty.</param>
/// <param name="UntilStep">Training steps in which prompts go from easy to hard.</param>
public sealed record CurriculumSettings(string Field, int UntilStep)
{
    /// <summary>Null where no field is set.</summary>
    public static CurriculumSettings? From(ConfigSection section)
    {
        var (field, steps) = (section.Text("field"), section.Whole("until-step", Bounds.AtLeast(0)));
        if (field.Length == 0 && steps > 0)
            throw section.Invalid("field", $"the name of a field with numbers, as until-step is {steps}");
        if (field.Length > 0 && steps == 0)
            throw section.Invalid("until-step", "a whole number of at least 1, as field is set");
        return field.Length == 0 ? null : new CurriculumSettings(field, steps);
    }
}
