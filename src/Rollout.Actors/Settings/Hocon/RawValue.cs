namespace Rollout.Actors.Settings.Hocon;

/// <summary>A value as it was written, with its substitutions not yet followed.</summary>
internal abstract class RawValue(Origin origin)
{
    public Origin Origin { get; } = origin;
}

/// <summary>
/// A text. A gap is the whitespace between two pieces of a value, kept where the pieces join to a text.
/// </summary>
internal sealed class RawScalar(string text, Origin origin, bool isGap = false) : RawValue(origin)
{
    public string Text { get; } = text;

    public bool IsGap { get; } = isGap;
}

/// <summary>A list; an item is a slot of its own, reached by no path.</summary>
internal sealed class RawList(List<RawSlot> items, Origin origin) : RawValue(origin)
{
    public List<RawSlot> Items { get; } = items;
}

/// <summary><c>${path}</c>, looked for below each scope in turn.</summary>
internal sealed class RawSubstitution(Token token, string[][] scopes, bool mustBeObject = false)
    : RawValue(token.Origin)
{
    public string[] Path { get; } = token.Path!;

    public string[][] Scopes { get; } = scopes;

    public bool Optional { get; } = token.Optional;

    /// <summary>It is joined with an object in braces.</summary>
    public bool MustBeObject { get; } = mustBeObject;

    public string Shown => KeyPath.Substitution(Path, Optional);
}

/// <summary>The earlier value of the key, what <c>+=</c> appends to; undefined where there is none.</summary>
internal sealed class RawEarlier(Origin origin) : RawValue(origin);

/// <summary>Pieces, at least one of them a substitution, that join to a text, a list, or an object.</summary>
internal sealed class RawConcatenation(List<RawValue> pieces) : RawValue(pieces[0].Origin)
{
    public List<RawValue> Pieces { get; } = pieces;
}

/// <summary>Objects and substitutions, later ones above earlier ones: <c>${base} { q = 3 }</c>.</summary>
internal sealed class RawJoin(List<RawValue> pieces) : RawValue(pieces[0].Origin)
{
    public List<RawValue> Pieces { get; } = pieces;
}

/// <summary>An object under construction: slots by key.</summary>
internal sealed class RawObject(string[]? path, Origin origin) : RawValue(origin)
{
    /// <summary>The keys that lead here from the root; null inside a list.</summary>
    public string[]? Path { get; } = path;

    public OrderedDictionary<string, RawSlot> Slots { get; } = [];

    /// <summary>The slot whose layer this is, and which.</summary>
    public (RawSlot Slot, int Layer)? Home { get; set; }

    public RawSlot Slot(string key)
    {
        if (!Slots.TryGetValue(key, out var slot))
            Slots.Add(key, slot = new RawSlot(key, Path is null ? null : [.. Path, key], this));
        return slot;
    }

    /// <summary>Puts a value below a path of keys, creating the objects between.</summary>
    public void Put(ReadOnlySpan<string> path, RawValue value)
    {
        var target = this;
        foreach (var key in path[..^1])
        {
            var slot = target.Slot(key);
            slot.Add(new RawObject(slot.Path, value.Origin));
            target = (RawObject)slot.Layers[^1];
        }

        target.Slot(path[^1]).Add(value);
    }

    public void Merge(RawObject above)
    {
        foreach (var (key, slot) in above.Slots)
        {
            foreach (var layer in slot.Layers)
                Slot(key).Add(layer);
        }
    }
}
