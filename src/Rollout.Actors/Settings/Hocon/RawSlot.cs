namespace Rollout.Actors.Settings.Hocon;

/// <summary>
/// All that was written for one key and still counts, in order: a later layer hides an earlier one or, where
/// both are objects, is merged over it. A layer with a substitution may turn out to be an object, undefined,
/// or made of the earlier ones, so these are kept below it.
/// </summary>
internal sealed class RawSlot(string key, string[]? path, RawObject? owner)
{
    private const int MaxLayers = 100;

    public string Key { get; } = key;

    /// <summary>The keys that lead here from the root; null inside a list.</summary>
    public string[]? Path { get; } = path;

    /// <summary>The object that has this key; null for items of a list and for the root.</summary>
    public RawObject? Owner { get; } = owner;

    public List<RawValue> Layers { get; } = [];

    /// <exception cref="ConfigurationException">One source sets a plain value twice.</exception>
    public void Add(RawValue value)
    {
        switch (value)
        {
            case RawJoin join:
                join.Pieces.ForEach(Add);
                break;
            case RawObject above when Layers is [.., RawObject below]:
                below.Merge(above);
                break;
            case RawObject above:
                if (Layers is [.., RawScalar or RawList])
                    Replace(value, Layers[^1]);
                above.Home = (this, Layers.Count);
                Layers.Add(above);
                break;
            case RawScalar or RawList:
                Replace(value, Layers.Find(layer => layer.Origin.Source == value.Origin.Source));
                Layers.Add(value);
                break;
            default:
                Layers.Add(value);
                break;
        }

        if (Layers.Count > MaxLayers)
            throw value.Origin.Error($"{Shown} is set more than {MaxLayers} times, expected fewer");
    }

    private string Shown => KeyPath.Join(Path ?? [Key]);

    private void Replace(RawValue value, RawValue? earlier)
    {
        if (earlier is not null && earlier.Origin.Source == value.Origin.Source)
        {
            throw value.Origin.Error(
                $"{Shown} is set again, expected only the value of line {earlier.Origin.Line}");
        }


        Layers.Clear();
    }
}
