using FsCheck;
using FsCheck.Fluent;
using Rollout.Actors.Settings.Hocon;

namespace Rollout.Actors.Tests.Settings;

/// <summary>Random configuration trees, with the texts in which readers differ.</summary>
internal static class Generate
{
    private static string[] Awkward { get; } =
    [
        "", " ", " x ", "null", "on", "1e-6", "-1", "-", "include", "a.b", "a//b", "#x", "${a}", "$", "\"", "\\", "\\n",
        "x\ny", "x\r\ny", "\t", "{", "}", "[1]", "a=b", "a:b", "a,b", "\"\"\"", "é", "\U0001F600", "\u0001", "+=", "10m",
        "akka.tcp://rollout@127.0.0.1:0", "C:\\a\\b", "a b", "'", "<&>", "\u2028", "\uFEFF",
    ];

    private static Origin Nowhere { get; } = new(new SourceText("generated"), 1, 1);

    public static Gen<string> Text => Gen.OneOf(
        Gen.Elements(Awkward),
        from pieces in Gen.ListOf(Gen.Elements(Awkward), 3) select string.Concat(pieces),
        from text in ArbMap.Default.GeneratorFor<NonNull<string>>()
        select new string([.. text.Get.Where(c => !char.IsSurrogate(c) && c != 0)]));

    public static Gen<HoconObject> Object(int depth) =>
        from count in Gen.Choose(0, 4)
        from keys in Gen.ListOf(Gen.OneOf(Gen.Elements("a", "b", "max-num-seqs"), Text), count)
        from values in Gen.ListOf(Value(depth), count)
        select ObjectOf(keys.Zip(values).DistinctBy(pair => pair.First));

    /// <summary>A text that stands nowhere.</summary>
    public static HoconScalar Scalar(string text) => new(text, Nowhere);

    public static HoconObject ObjectOf(IEnumerable<(string Key, HoconValue Value)> fields)
    {
        var obj = new HoconObject(Nowhere);
        foreach (var (key, value) in fields)
            obj.Fields.Add(key, value);
        return obj;
    }

    private static Gen<HoconValue> Value(int depth)
    {
        var scalar = Text.Select(HoconValue (text) => Scalar(text));
        return depth == 0
            ? scalar
            : Gen.OneOf(
                scalar,
                Object(depth - 1).Select(HoconValue (obj) => obj),
                from count in Gen.Choose(0, 3)
                from items in Gen.ListOf(Value(depth - 1), count)
                select (HoconValue)new HoconList([.. items], Nowhere));
    }
}
