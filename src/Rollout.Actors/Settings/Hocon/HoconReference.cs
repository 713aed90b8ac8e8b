namespace Rollout.Actors.Settings.Hocon;

/// <summary>
/// A substitution, <c>${path}</c>: the text that the key has once every source is read. <see cref="ReplaceAll"/>
/// puts that text in its place.
/// </summary>
internal sealed class HoconReference(string[] path, Origin origin) : HoconValue(origin)
{
    private const int MaxHops = 16;

    /// <summary>A text may be long; so many copies of it still fit into memory.</summary>
    private const int MaxReferences = 256;

    private readonly string[] _path = path;

    public override bool ContentEquals(HoconValue other) => false;

    /// <summary>Replaces every substitution of a tree by the text that it names.</summary>
    /// <exception cref="HoconException">One names no text, or itself.</exception>
    public static void ReplaceAll(HoconObject root)
    {
        var left = MaxReferences;
        ReplaceIn(root);

        void ReplaceIn(HoconValue value)
        {
            if (value is HoconObject obj)
            {
                foreach (var (key, field) in obj.Fields.ToArray())
                    obj.Fields[key] = Replaced(field);
            }
            else if (value is HoconList list)
            {
                for (var i = 0; i < list.Items.Count; i++)
                    list.Items[i] = Replaced(list.Items[i]);
            }
        }

        HoconValue Replaced(HoconValue value)
        {
            if (value is not HoconReference reference)
            {
                ReplaceIn(value);
                return value;
            }
            return left-- > 0
                ? reference.Follow(root)
                : throw reference.Origin.Error($"more than {MaxReferences} substitutions, expected fewer");
        }
    }

    private HoconScalar Follow(HoconObject root)
    {
        var shown = $"${{{HoconWriter.Short(HoconWriter.Path(_path))}}}";
        var reference = this;
        for (var hops = 0; hops < MaxHops; hops++)
        {
            switch (root.Find(reference._path))
            {
                case HoconScalar scalar:
                    return scalar;
                case HoconReference next:
                    reference = next;
                    break;
                case null:
                    throw Origin.Error(
                        $"{shown} is not defined, expected a key from the root;"
                        + " give a variable of the environment by --set");
                case var other:
                    throw other.Origin.Error($"expected a text or a number, as {shown} of {Origin} stands for it");
            }
        }
        throw Origin.Error($"{shown} leads back to itself or through more than {MaxHops} keys, expected a value");
    }
}
