using Rollout.Host.Invocation;

namespace Rollout.Host.Jobs;

/// <summary>Finds the default job, config/arithmetic.conf, which is part of the program.</summary>
internal static class DefaultJob
{
    private static readonly string File = Path.Combine("config", "arithmetic.conf");

    /// <summary>
    /// The job's path: that of the current folder or the nearest above, where somebody may have edited it, else the program's.
    /// </summary>
    /// <exception cref="CommandLineException">No such folder has it.</exception>
    public static string Find() => Find(Environment.CurrentDirectory, AppContext.BaseDirectory);

    /// <summary>The job's path in the first of these folders, or the nearest above it, that has it.</summary>
    /// <exception cref="CommandLineException">No such folder has it.</exception>
    internal static string Find(params ReadOnlySpan<string> folders)
    {
        foreach (var folder in folders)
        {
            for (var at = new DirectoryInfo(folder); at is not null; at = at.Parent)
            {
                var job = Path.Combine(at.FullName, File);
                if (System.IO.File.Exists(job))
                    return job;
            }
        }

        throw new CommandLineException(
            $"{File} is neither in '{folders[0]}' nor in a folder above it: name a job by --config FILE.");
    }
}
