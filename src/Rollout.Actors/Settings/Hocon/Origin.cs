namespace Rollout.Actors.Settings.Hocon;

/// <summary>
/// One reading of a file, the reference or an argument. A file that is read twice is two sources, so that "set
/// twice in one source" compares references.
/// </summary>
/// <param name="name">The name in messages: the path as the user gave it, or "--set".</param>
/// <param name="folder">The folder that relative paths start from; "" is the current directory.</param>
/// <param name="isArgument">True for an argument of the command line, which has no lines.</param>
internal sealed class SourceText(string name, string folder = "", bool isArgument = false)
{
    public string Name { get; } = name;

    public string Folder { get; } = folder;

    public bool IsArgument { get; } = isArgument;
}

/// <summary>The place where a value is written. Lines and columns count from 1; a column is a UTF-16 unit.</summary>
internal readonly record struct Origin(SourceText Source, int Line, int Column)
{
    /// <summary><c>FILE:LINE</c>, for messages about a value.</summary>
    public override string ToString() => Source.IsArgument ? Source.Name : $"{Source.Name}:{Line}";

    /// <summary>An error in the text itself: <c>FILE:LINE:COLUMN: sentence</c>.</summary>
    public HoconException Error(string sentence) => new(Source.IsArgument
        ? $"{Source.Name}: character {Column}: {sentence}"
        : $"{Source.Name}:{Line}:{Column}: {sentence}");
}

/// <summary>The text can't be read. The message is one sentence with its place and what to write instead.</summary>
internal sealed class HoconException(string message) : Exception(message);
