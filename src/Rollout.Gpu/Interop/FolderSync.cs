using System.Runtime.InteropServices;

namespace Rollout.Gpu.Interop;

/// <summary>Makes the names in a folder durable, which .NET has no call for: it opens files only.</summary>
internal static partial class FolderSync
{
    private const int ReadOnly = 0;
    private const int NotSupportedByFileSystem = 22; // EINVAL

    /// <summary>
    /// Waits until the folder's entries are on the disk. Does nothing on Windows, whose renames are journaled.
    /// </summary>
    /// <exception cref="IOException">The disk failed.</exception>
    public static void Flush(string folder)
    {
        if (OperatingSystem.IsWindows())
            return;
        var descriptor = Open(folder, ReadOnly);
        if (descriptor < 0)
            throw Failed(folder);
        try
        {
            if (Sync(descriptor) != 0 && Marshal.GetLastPInvokeError() != NotSupportedByFileSystem)
                throw Failed(folder);
        }
        finally
        {
            _ = Close(descriptor);
        }
    }

    private static IOException Failed(string folder) =>
        new($"'{folder}' cannot be flushed to the disk: {Marshal.GetLastPInvokeErrorMessage()}");

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Sync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
