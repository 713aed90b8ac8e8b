namespace Rollout.Actors.Settings.Hocon;

/// <summary>A value and the place where it is written. Numbers and booleans are still their text.</summary>
internal abstract class HoconValue(Origin origin)
{
    public Origin Origin { get; protected set; } = origin;

    /// <summary>True for the same texts under the same keys in the same lists, whatever their places.</summary>
    public abstract bool ContentEquals(HoconValue other);
}

/// <summary>A text, number or boolean.</summary>
internal sealed class HoconScalar(string text, Origin origin) : HoconValue(origin)
{
    public string Text { get; } = text;

    public override bool ContentEquals(HoconValue other) => other is HoconScalar scalar && scalar.Text == Text;
}

/// <summary>Values in order.</summary>
internal sealed class HoconList(List<HoconValue> items, Origin origin) : HoconValue(origin)
{
    public List<HoconValue> Items { get; } = items;

    public override bool ContentEquals(HoconValue other) =>
        other is HoconList list && list.Items.Count == Items.Count
        && Items.Zip(list.Items).All(pair => pair.First.ContentEquals(pair.Second));
}

/// <summary>
/// Values by key, in the order in which the keys first appeared. Sources are read into it one after another.
/// </summary>
internal sealed class HoconObject(Origin origin) : HoconValue(origin)
{
    public OrderedDictionary<string, HoconValue> Fields { get; } = [];

    /// <summary>The value under a path of keys, or null if there is none.</summary>
    public HoconValue? Find(params ReadOnlySpan<string> path)
    {
        HoconValue? value = this;
        foreach (var key in path)
            value = (value as HoconObject)?.Fields.GetValueOrDefault(key);
        return value;
    }

    /// <summary>Gives a key its value; a later source replaces an earlier one's.</summary>
    /// <exception cref="HoconException">The same source has set the key already.</exception>
    public void Set(string key, HoconValue value)
    {
        if (Fields.TryGetValue(key, out var earlier) && earlier.Origin.Source == value.Origin.Source)
        {
            throw value.Origin.Error(
                $"{HoconWriter.Key(key)} is set again, expected only the value of line {earlier.Origin.Line}");
        }
        Fields[key] = value;
    }

    /// <summary>The object under a key, which takes further keys; made where there is none.</summary>
    /// <exception cref="HoconException">The same source has set the key to another value already.</exception>
    public HoconObject Section(string key, Origin origin)
    {
        if (Fields.GetValueOrDefault(key) is not HoconObject section)
            Set(key, section = new HoconObject(origin));
        section.Origin = origin;
        return section;
    }

    public override bool ContentEquals(HoconValue other) =>
        other is HoconObject obj && obj.Fields.Count == Fields.Count
        && Fields.All(field => obj.Find(field.Key) is { } value && field.Value.ContentEquals(value));
}
