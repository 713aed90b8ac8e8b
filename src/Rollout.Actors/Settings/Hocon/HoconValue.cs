namespace Rollout.Actors.Settings.Hocon;

/// <summary>
/// A value with everything substituted. Immutable; numbers and booleans are still their text.
/// </summary>
public abstract class HoconValue
{
    internal const int MaxDepth = 128;
    internal const long MaxSize = 8 << 20;

    private protected HoconValue(Origin origin, long size, int depth)
    {
        Origin = origin;
        Size = size;
        Depth = depth;
        // Substitutions can repeat a value that repeats a value …: shared, it is small here, but not for a
        // reader.
        if (size > MaxSize)
            throw origin.Error($"the value grows past {MaxSize} characters, expected less substitution");
        if (depth > MaxDepth)
            throw origin.Error($"the value is nested deeper than {MaxDepth} levels, expected fewer");
    }

    /// <summary>Where the text stands that gave the value; of a joined value, its first piece.</summary>
    public Origin Origin { get; }

    /// <summary>Characters and values in it, each as often as it occurs.</summary>
    internal long Size { get; }

    internal int Depth { get; }

    /// <summary>
    /// Same texts under the same keys in the same lists; neither origins nor the order of keys matter.
    /// </summary>
    public abstract bool ContentEquals(HoconValue other);
}

/// <summary>A text, number or boolean.</summary>
public sealed class HoconScalar(string text, Origin origin) : HoconValue(origin, 1 + text.Length, 1)
{
    public string Text { get; } = text;

    public override bool ContentEquals(HoconValue other) =>
        other is HoconScalar scalar && scalar.Text == Text;
}

/// <summary>Values in order.</summary>
public sealed class HoconList(IReadOnlyList<HoconValue> items, Origin origin)
    : HoconValue(
        origin,
        1 + items.Sum(item => item.Size),
        1 + items.Max(item => (int?)item.Depth).GetValueOrDefault())
{
    public IReadOnlyList<HoconValue> Items { get; } = items;

    public override bool ContentEquals(HoconValue other) =>
        other is HoconList list && list.Items.Count == Items.Count
        && Items.Zip(list.Items).All(pair => pair.First.ContentEquals(pair.Second));
}

/// <summary>Values by key, in the order in which the keys first appeared.</summary>
public sealed class HoconObject(OrderedDictionary<string, HoconValue> fields, Origin origin)
    : HoconValue(
        origin,
        1 + fields.Sum(field => 1 + field.Key.Length + field.Value.Size),
        1 + fields.Max(field => (int?)field.Value.Depth).GetValueOrDefault())
{
    public IReadOnlyDictionary<string, HoconValue> Fields { get; } = fields;

    /// <summary>The value under a path of keys, or null where there is none.</summary>
    public HoconValue? Find(params ReadOnlySpan<string> path)
    {
        HoconValue value = this;
        foreach (var key in path)
        {
            if (value is not HoconObject inner || !inner.Fields.TryGetValue(key, out var next))
                return null;
            value = next;
        }

        return value;
    }

    /// <summary>This object with another value under a key.</summary>
    public HoconObject With(string key, HoconValue value) =>
        new(new OrderedDictionary<string, HoconValue>(Fields) { [key] = value }, Origin);

    /// <summary>
    /// This object with the keys of another above its own; objects under the same key merge likewise.
    /// </summary>
    public HoconObject MergedWith(HoconObject above)
    {
        var merged = new OrderedDictionary<string, HoconValue>(Fields);
        foreach (var (key, value) in above.Fields)
        {
            merged[key] = value is HoconObject upper && merged.GetValueOrDefault(key) is HoconObject lower
                ? lower.MergedWith(upper)
                : value;
        }

        return new HoconObject(merged, Origin);
    }

    public override bool ContentEquals(HoconValue other) =>
        other is HoconObject obj && obj.Fields.Count == Fields.Count
        && Fields.All(field => obj.Find(field.Key) is { } value && field.Value.ContentEquals(value));
}
