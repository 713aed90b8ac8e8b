namespace Rollout.Actors.Settings.Hocon;

/// <summary>
/// Reads HOCON strictly. Every error is a <see cref="ConfigurationException"/> of one sentence with its
/// place.
/// </summary>
public static class HoconText
{
    /// <summary>Reads a file with its includes; substitutions see it and then the environment.</summary>
    /// <exception cref="ConfigurationException">The file cannot be read or is not valid.</exception>
    public static HoconObject Load(string file, Func<string, string?>? environment = null) =>
        Resolver.Resolve(new IncludeReader().Read(file), environment ?? Environment.GetEnvironmentVariable);

    /// <summary>
    /// Reads a text that messages call by a name; includes are relative to the current directory.
    /// </summary>
    /// <exception cref="ConfigurationException">The text is not valid.</exception>
    public static HoconObject Parse(
        string text, string name = "text", Func<string, string?>? environment = null) =>
        Resolver.Resolve(ParseRaw(text, name), environment ?? Environment.GetEnvironmentVariable);

    internal static RawObject ParseRaw(string text, string name) =>
        HoconParser.ParseSource(text, new SourceText(name), new IncludeReader(), [[]]);
}
