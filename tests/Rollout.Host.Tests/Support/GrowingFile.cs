namespace Rollout.Host.Tests.Support;

/// <summary>A file that somebody else writes.</summary>
internal static class GrowingFile
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(4);

    /// <summary>Returns when a file of this pattern has so many bytes.</summary>
    public static async Task ReachesAsync(string folder, string pattern, long bytes)
    {
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var watcher = new FileSystemWatcher(folder, pattern) { NotifyFilter = NotifyFilters.FileName | NotifyFilters.Size };
        watcher.Created += (_, file) => Look(file.FullPath);
        watcher.Changed += (_, file) => Look(file.FullPath);
        watcher.Renamed += (_, file) => Look(file.FullPath);
        watcher.EnableRaisingEvents = true;
        // What happened before it was watched.
        foreach (var file in Directory.EnumerateFiles(folder, pattern))
            Look(file);
        await reached.Task.WaitAsync(Deadline);

        void Look(string path)
        {
            if (new FileInfo(path) is { Exists: true } file && file.Length >= bytes)
                reached.TrySetResult();
        }
    }
}
