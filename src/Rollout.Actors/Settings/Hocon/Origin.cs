namespace Rollout.Actors.Settings.Hocon;

/// <summary>
/// One reading of one text: a file, the reference, or an argument. Two readings of the same file are two
/// sources, so "set twice in one source" is a comparison of references.
/// </summary>
/// <param name="name">As messages show it: the path as the user gave it, or "--set".</param>
/// <param name="folder">What relative paths and includes start from; "" is the current directory.</param>
/// <param name="isArgument">A part of the command line, which has no lines.</param>
public sealed class SourceText(string name, string folder = "", bool isArgument = false)
{
    public string Name { get; } = name;

    public string Folder { get; } = folder;

    public bool IsArgument { get; } = isArgument;
}

/// <summary>Where a value was written. Lines and columns count from 1; a column is one UTF-16 unit.</summary>
public readonly record struct Origin(SourceText Source, int Line, int Column)
{
    /// <summary><c>FILE:LINE:COLUMN</c>, for what is wrong with the text itself.</summary>
    public string Exact =>
        Source.IsArgument ? $"{Source.Name}: character {Column}" : $"{Source.Name}:{Line}:{Column}";

    /// <summary><c>FILE:LINE</c>, for what is wrong with the value.</summary>
    public override string ToString() => Source.IsArgument ? Source.Name : $"{Source.Name}:{Line}";

    internal ConfigurationException Error(string sentence) => new($"{Exact}: {sentence}");
}
