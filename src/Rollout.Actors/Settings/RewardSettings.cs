namespace Rollout.Actors.Settings;

/// <summary>
/// One reward function in the list <c>rewards</c>: <c>{ type = keyword, weight = 1.0, text = "ab" }</c>.
/// </summary>
public sealed record RewardSettings
{
    /// <summary>The option that names a file.</summary>
    internal const string AssemblyKey = "assembly";

    private const string TypeKey = "type";
    private const string WeightKey = "weight";

    /// <summary>A built-in name, or the full name of a C# type.</summary>
    public required string Type { get; init; }

    /// <summary>The factor of the reward; 1 unless set.</summary>
    public required double Weight { get; init; }

    /// <summary>All other keys with their texts. The path of an assembly is absolute.</summary>
    public required IReadOnlyDictionary<string, string> Options { get; init; }

    /// <summary>The place of the reward in the configuration, <c>FILE:LINE</c>, for messages.</summary>
    public required string Origin { get; init; }

    public static RewardSettings From(ConfigSection section)
    {
        if (!section.Keys.Contains(TypeKey))
        {
            throw new ConfigurationException(
                $"{section.Origin}: {section.Path} has no {TypeKey}, expected {{ {TypeKey} = NAME }}");
        }

        var options = section.Keys.Where(key => key is not (TypeKey or WeightKey));
        return new RewardSettings
        {
            Type = section.NonEmptyText(TypeKey),
            Weight = section.Keys.Contains(WeightKey) ? section.Number(WeightKey, Bounds.Any) : 1,
            Options = options.ToDictionary(key => key, section.Text),
            Origin = section.Origin.ToString(),
        };
    }
}
