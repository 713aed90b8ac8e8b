using Rollout.Gpu.Interop;

namespace Rollout.Gpu.Weights;

/// <summary>
/// Renames that a power cut cannot undo or leave half done: the data reach the disk before the new name, and the name
/// before the call returns. Used for checkpoints, saved models and finished output files.
/// </summary>
public static class DurableFiles
{
    /// <summary>
    /// Told of each operation once it is done, with the path. A lost flush shows in nothing but their order, which tests
    /// check by this.
    /// </summary>
    internal static AsyncLocal<Action<DiskOperation, string>?> Observer { get; } = new();

    /// <summary>Writes a file under a temporary name beside its own, then replaces what has that name.</summary>
    public static void Write(string path, Action<FileStream> write)
    {
        var temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (var file = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write))
                write(file);
            Replace(temporary, path);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    /// <summary>Gives a finished, closed file its final name, in place of a file that may have it.</summary>
    public static void Replace(string written, string path)
    {
        FlushFile(written);
        File.Move(written, path, overwrite: true);
        Note(DiskOperation.Rename, path);
        FlushNames(ParentOf(path));
    }

    /// <summary>
    /// Gives a finished folder its final name, which must be free. Everything in it is flushed first.
    /// </summary>
    public static void MoveFolder(string written, string path)
    {
        FlushFolder(written);
        Directory.Move(written, path);
        Note(DiskOperation.Rename, path);
        FlushNames(ParentOf(path));
    }

    /// <summary>Waits until everything in a folder is on the disk.</summary>
    public static void FlushFolder(string written)
    {
        foreach (var file in Directory.EnumerateFiles(written, "*", SearchOption.AllDirectories))
            FlushFile(file);
        foreach (var folder in Directory.EnumerateDirectories(written, "*", SearchOption.AllDirectories))
            FlushNames(folder);
        FlushNames(written);
    }

    private static void FlushFile(string path)
    {
        using var handle = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite);
        RandomAccess.FlushToDisk(handle);
        Note(DiskOperation.FlushFile, path);
    }

    private static void FlushNames(string folder)
    {
        FolderSync.Flush(folder);
        Note(DiskOperation.FlushFolder, folder);
    }

    private static void Note(DiskOperation operation, string path) => Observer.Value?.Invoke(operation, path);

    private static string ParentOf(string path) => Path.GetDirectoryName(Path.GetFullPath(path)) ?? path;
}

/// <summary>What <see cref="DurableFiles"/> has the disk do.</summary>
internal enum DiskOperation
{
    /// <summary>A file's data reach the disk.</summary>
    FlushFile,

    /// <summary>The names in a folder reach the disk.</summary>
    FlushFolder,

    /// <summary>A finished file or folder gets its final name.</summary>
    Rename,
}
