using System.Runtime.CompilerServices;

namespace Rollout.Actors.Settings.Hocon;

/// <summary>
/// Follows the substitutions of a merged tree. A substitution sees the final value of its path, except that
/// one in the value of a key that refers to this key, or into it, sees what earlier layers gave
/// ("self-referential" in the HOCON specification). Layers are followed from the last to the first, and only
/// as far as they count.
/// </summary>
internal sealed class Resolver
{
    private const int MaxOpen = 256;

    private readonly RawSlot _root;
    private readonly Func<string, string?> _environment;
    private readonly Dictionary<(RawSlot Slot, int Layer), HoconValue?> _layers = [];
    private readonly Dictionary<(RawSlot Slot, int Count), HoconValue?> _merged = [];
    private readonly HashSet<(RawSlot Slot, int Layer)> _open = [];
    private readonly Stack<RawSubstitution> _followed = [];
    private long _work;

    private Resolver(RawSlot root, Func<string, string?> environment)
    {
        _root = root;
        _environment = environment;
    }

    /// <param name="root">The merged objects.</param>
    /// <param name="environment">Variables, for paths that the tree does not have.</param>
    public static HoconObject Resolve(RawObject root, Func<string, string?> environment)
    {
        var slot = new RawSlot("", path: [], owner: null);
        slot.Add(root);
        return (HoconObject)new Resolver(slot, environment).Merged(slot, slot.Layers.Count)!;
    }

    /// <summary>What the first layers of a key come to; null where they leave it undefined.</summary>
    private HoconValue? Merged(RawSlot slot, int count)
    {
        if (count == 0)
            return null;
        if (_merged.TryGetValue((slot, count), out var known))
            return known;
        var top = Layer(slot, count - 1);
        var value = top is null or HoconObject ? Over(Merged(slot, count - 1), top) : top;
        _merged.Add((slot, count), value);
        return value;
    }

    private HoconValue? Layer(RawSlot slot, int layer)
    {
        if (_layers.TryGetValue((slot, layer), out var known))
            return known;
        var raw = slot.Layers[layer];
        // A value is also found along its path, key by key: the depth of the stack is not that of the open
        // values.
        if (_open.Count >= MaxOpen || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw raw.Origin.Error($"substitutions lead through too many values, expected at most {MaxOpen}");
        if (!_open.Add((slot, layer)))
            throw Cycle();
        var value = Value(slot, layer, raw);
        _open.Remove((slot, layer));
        _layers.Add((slot, layer), value);
        return value;
    }

    private HoconValue? Value(RawSlot slot, int layer, RawValue raw)
    {
        switch (raw)
        {
            case RawScalar scalar:
                return new HoconScalar(scalar.Text, scalar.Origin);
            case RawList list:
                var items = list.Items.Select(item => Merged(item, item.Layers.Count)).OfType<HoconValue>();
                return new HoconList([.. items], list.Origin);
            case RawObject obj:
                var fields = new OrderedDictionary<string, HoconValue>();
                foreach (var (key, field) in obj.Slots)
                {
                    if (Merged(field, field.Layers.Count) is { } value)
                        fields.Add(key, value);
                }

                return new HoconObject(fields, obj.Origin);
            case RawEarlier:
                return Earlier(slot, layer, []);
            case RawSubstitution substitution:
                return Follow(slot, layer, substitution);
            case RawConcatenation concatenation:
                return Concatenate(slot, layer, concatenation);
            default:
                throw new InvalidOperationException($"{raw.GetType()} is no layer.");
        }
    }

    private HoconValue? Follow(RawSlot slot, int layer, RawSubstitution substitution)
    {
        _followed.Push(substitution);
        var refersToItself = false;
        HoconValue? value = null;
        foreach (var scope in substitution.Scopes)
        {
            string[] path = [.. scope, .. substitution.Path];
            var self = slot.Path is { } own && KeyPath.StartsWith(path, own);
            refersToItself |= self;
            value ??= self
                ? Earlier(slot, layer, path[slot.Path!.Length..])
                : Find(_root, _root.Layers.Count, path).Value;
        }

        _followed.Pop();
        value ??= Variable(substitution);
        if (value is null && !substitution.Optional)
        {
            throw substitution.Origin.Error(refersToItself
                ? $"{substitution.Shown} refers to the key that it defines, expected an earlier value of it"
                : $"{substitution.Shown} is not defined, expected a key or environment variable");
        }

        if (substitution.MustBeObject && value is not (null or HoconObject))
            throw substitution.Origin.Error($"{substitution.Shown} is {Kind(value)}, expected an object");
        return value;
    }

    /// <summary>
    /// A variable of the environment. A path in it is relative to the current directory, not to a file.
    /// </summary>
    private HoconScalar? Variable(RawSubstitution substitution)
    {
        var origin = substitution.Origin with { Source = new SourceText(substitution.Origin.Source.Name) };
        var value = _environment(string.Join('.', substitution.Path));
        return value is null ? null : new HoconScalar(value, origin);
    }

    /// <summary>
    /// The value below a key that the layers before this one give, with those of the objects around it.
    /// </summary>
    private HoconValue? Earlier(RawSlot slot, int layer, string[] path)
    {
        var (value, final) = Find(slot, layer, path);
        return final || slot.Owner?.Home is not var (home, homeLayer)
            ? value
            : Over(Earlier(home, homeLayer, [slot.Key, .. path]), value);
    }

    /// <summary>
    /// The value that the first layers of a slot give for a path below it, without following what lies beside
    /// the path: <c>a { b = 1, c = ${a.b} }</c> is no cycle. Final, where nothing below these layers can
    /// count any more.
    /// </summary>
    private (HoconValue? Value, bool Final) Find(RawSlot slot, int count, ReadOnlySpan<string> path)
    {
        if (path.IsEmpty)
        {
            var whole = Merged(slot, count);
            return (whole, whole is not (null or HoconObject));
        }

        HoconValue? found = null;
        for (var layer = count - 1; layer >= 0; layer--)
        {
            var (value, final) = slot.Layers[layer] is not RawObject obj ? Descend(Layer(slot, layer), path)
                : obj.Slots.TryGetValue(path[0], out var next) ? Find(next, next.Layers.Count, path[1..])
                : (null, false);
            if (value is HoconObject || found is null)
                found = Over(value, found);
            if (final)
                return (found, true);
        }

        return (found, false);
    }

    private static (HoconValue? Value, bool Final) Descend(HoconValue? value, ReadOnlySpan<string> path)
    {
        foreach (var key in path)
        {
            if (value is null)
                return (null, false);
            if (value is not HoconObject obj)
                return (null, true);
            value = obj.Fields.GetValueOrDefault(key);
        }

        return (value, value is not (null or HoconObject));
    }

    private HoconValue? Over(HoconValue? below, HoconValue? above)
    {
        if (above is null)
            return below;
        if (above is not HoconObject upper || below is not HoconObject lower)
            return above;
        Charge(lower.Size + upper.Size, above.Origin);
        return lower.MergedWith(upper);
    }

    private HoconValue? Concatenate(RawSlot slot, int layer, RawConcatenation raw)
    {
        var pieces = raw.Pieces.ConvertAll(piece => (
            IsGap: piece is RawScalar { IsGap: true }, piece.Origin, Value: Value(slot, layer, piece)));
        var parts = pieces.Where(piece => !piece.IsGap);
        var defined = parts.Select(piece => piece.Value).OfType<HoconValue>().ToList();
        if (defined.Count == 0)
            return null;
        var misfit = defined.Find(value => value.GetType() != defined[0].GetType());
        if (misfit is not null)
            throw raw.Origin.Error($"{Kind(defined[0])} stands before {Kind(misfit)}, expected one kind");

        Charge(defined.Sum(value => value is HoconList list ? list.Items.Count : value.Size), raw.Origin);
        return defined[0] switch
        {
            HoconList => new HoconList(
                [.. defined.SelectMany(value => ((HoconList)value).Items)], defined[0].Origin),
            HoconObject => defined.Aggregate((below, above) => Over(below, above)!),
            _ => new HoconScalar(
                string.Concat(pieces.Select(piece => (piece.Value as HoconScalar)?.Text)), defined[0].Origin),
        };
    }

    /// <summary>Ends what would take forever: small files can ask for very large joins.</summary>
    private void Charge(long work, Origin origin)
    {
        _work += work;
        if (_work > HoconValue.MaxSize)
            throw origin.Error("the substitutions take too much work, expected fewer nested ones");
    }

    private ConfigurationException Cycle()
    {
        var last = _followed.Peek();
        return last.Origin.Error($"{last.Shown} leads back to the value it is part of, expected no cycle");
    }

    private static string Kind(HoconValue value) => value switch
    {
        HoconObject => "an object",
        HoconList => "a list",
        _ => "a text",
    };
}
