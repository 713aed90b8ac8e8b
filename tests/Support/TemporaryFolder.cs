namespace Rollout.Tests.Support;

/// <summary>A folder that is deleted when the test disposes of it.</summary>
public sealed class TemporaryFolder : IDisposable
{
    /// <param name="files">Files that it holds from the beginning.</param>
    public TemporaryFolder(params (string Name, string Text)[] files)
    {
        foreach (var (name, text) in files)
            Write(name, text);
    }

    public string Path { get; } = Directory.CreateTempSubdirectory("rollout-test-").FullName;

    /// <summary>The path of a file or folder in it.</summary>
    public string At(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>Writes a file, with the folders above it, and returns its path.</summary>
    public string Write(string name, string text)
    {
        var file = At(name);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
        return file;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
