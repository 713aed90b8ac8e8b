namespace Rollout.Actors.Settings;

/// <summary>
/// One reward function in the list <c>rewards</c>: <c>{ type = keyword, weight = 1.0, text = "ab" }</c>.
/// </summary>
public sealed record RewardSettings
{
    /// <summary>The options that name files, which start from the folder of the configuration.</summary>
    internal static readonly string[] PathKeys = ["assembly", "file"];

    private const string TypeKey = "type";
    private const string NameKey = "name";
    private const string WeightKey = "weight";

    /// <summary>A built-in name, or the full name of a C# type.</summary>
    public required string Type { get; init; }

    /// <summary>Names the function in metrics and rollouts; its type unless set.</summary>
    public required string Name { get; init; }

    /// <summary>The factor of the reward; 1 unless set.</summary>
    public required double Weight { get; init; }

    /// <summary>All other keys.</summary>
    public required RewardOptions Options { get; init; }

    /// <exception cref="ConfigurationException">A key has a wrong value, or two functions have one name.</exception>
    public static IReadOnlyList<RewardSettings> From(IReadOnlyList<ConfigSection> sections)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        var all = sections.Select(From).ToArray();
        foreach (var (reward, section) in all.Zip(sections))
        {
            if (!names.Add(reward.Name))
            {
                throw section.Invalid(
                    section.Keys.Contains(NameKey) ? NameKey : TypeKey,
                    $"a {NameKey} that no other reward has, as metrics are written by it");
            }
        }
        return all;
    }

    private static RewardSettings From(ConfigSection section)
    {
        if (!section.Keys.Contains(TypeKey))
        {
            throw new ConfigurationException(
                $"{section.Origin}: {section.Path} has no {TypeKey}, expected {{ {TypeKey} = NAME }}");
        }

        var type = section.NonEmptyText(TypeKey);
        return new RewardSettings
        {
            Type = type,
            Name = section.Keys.Contains(NameKey) ? section.NonEmptyText(NameKey) : type,
            Weight = section.Keys.Contains(WeightKey) ? section.Number(WeightKey, Bounds.Any) : 1,
            Options = new RewardOptions(type, section, [TypeKey, NameKey, WeightKey]),
        };
    }
}
