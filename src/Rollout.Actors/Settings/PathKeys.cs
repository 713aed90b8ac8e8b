using Rollout.Actors.Settings.Hocon;

namespace Rollout.Actors.Settings;

/// <summary>
/// The keys whose texts name files. A relative one starts from the folder of the file that it stands in, or
/// from the current directory if it comes from the command line or the environment; "" is unset.
/// </summary>
internal static class PathKeys
{
    /// <summary>Below <c>rollout</c>.</summary>
    public static readonly string[][] All =
    [
        ["model", "path"],
        ["data", "jsonl", "train"],
        ["data", "jsonl", "held-out"],
        ["cluster", "tls", "certificate"],
        ["cluster", "tls", "ca"],
    ];

    /// <summary>Of a reward's options, the one that names a file.</summary>
    public const string RewardAssembly = "assembly";

    public static HoconObject MakeAbsolute(HoconObject root)
    {
        foreach (var path in All)
            root = Change(root, ["rollout", .. path]);
        if (root.Find("rollout", "rewards") is not HoconList rewards)
            return root;
        var items = rewards.Items.Select(item =>
            item is HoconObject reward ? Change(reward, [RewardAssembly]) : item);
        return (HoconObject)With(root, ["rollout", "rewards"], new HoconList([.. items], rewards.Origin));
    }

    private static HoconObject Change(HoconObject root, string[] path) =>
        root.Find(path) is HoconScalar { Text.Length: > 0 } scalar
            ? (HoconObject)With(root, path, new HoconScalar(Absolute(scalar), scalar.Origin))
            : root;

    private static HoconValue With(HoconValue root, ReadOnlySpan<string> path, HoconValue value) =>
        path.IsEmpty ? value
        : root is HoconObject obj ? obj.With(path[0], With(obj.Fields[path[0]], path[1..], value))
        : root;

    private static string Absolute(HoconScalar scalar) => scalar.Text.Contains('\0')
        ? throw scalar.Origin.Error("expected a path without NUL")
        : Path.GetFullPath(Path.Combine(scalar.Origin.Source.Folder, scalar.Text));
}
