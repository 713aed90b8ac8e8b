using Rollout.Actors.Settings.Hocon;

namespace Rollout.Actors.Tests.Settings;

/// <summary>Reads HOCON alone, without the reference and without known keys.</summary>
internal static class HoconTexts
{
    public static HoconObject Load(string file)
    {
        var root = new HoconObject(new Origin(new SourceText(file), 1, 1));
        new HoconFiles().Read(file, root);
        HoconReference.ReplaceAll(root);
        return root;
    }

    public static HoconObject Parse(string text)
    {
        var source = new SourceText("text");
        var root = new HoconObject(new Origin(source, 1, 1));
        HoconParser.ReadSource(text, source, new HoconFiles(), root, depth: 0);
        HoconReference.ReplaceAll(root);
        return root;
    }
}
