using Rollout.Actors.Settings.Hocon;

namespace Rollout.Actors.Settings;

/// <summary>
/// One <c>--set key=value</c>. A value that begins with <c>{</c>, <c>[</c>, a quote or <c>$</c> is HOCON; any
/// other is the text itself, so that paths and <c>cuda:1</c> need no quotes within the shell's.
/// </summary>
internal static class SetArgument
{
    private const int MaxDepth = HoconParser.MaxDepth;

    public static RawObject Parse(string argument)
    {
        var source = new SourceText("--set", isArgument: true);
        var sign = argument.IndexOf('=');
        if (sign < 0)
            throw new ConfigurationException($"--set {argument}: expected key=value");

        var path = HoconParser.ParsePath(argument[..sign], source);
        if (path[0] is not ("rollout" or "akka"))
            path = ["rollout", .. path];
        if (path.Length > MaxDepth)
            throw new ConfigurationException($"--set: expected a key of at most {MaxDepth} levels");

        var text = argument[(sign + 1)..];
        var value = text.TrimStart() is ['{' or '[' or '"' or '$', ..]
            ? HoconParser.ParseValue(argument, sign + 1, source, new IncludeReader(), path)
            : new RawScalar(text.Trim(), new Origin(source, 1, sign + 2));
        var root = new RawObject(path: [], new Origin(source, 1, 1));
        root.Put(path, value);
        return root;
    }
}
