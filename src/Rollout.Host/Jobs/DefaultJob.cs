using Rollout.Host.Invocation;

namespace Rollout.Host.Jobs;

/// <summary>Finds the default job, config/arithmetic.conf, which is part of the program.</summary>
internal static class DefaultJob
{
    private static readonly string File = Path.Combine("config", "arithmetic.conf");

    /// <summary>The job's path in a folder, or in the nearest folder above.</summary>
    /// <exception cref="CommandLineException">No such folder has it.</exception>
    public static string Find(string folder)
    {
        for (var at = new DirectoryInfo(folder); at is not null; at = at.Parent)
        {
            var job = Path.Combine(at.FullName, File);
            if (System.IO.File.Exists(job))
                return job;
        }

        throw new CommandLineException(
            $"{File} is neither in '{folder}' nor in a folder above it: name a job by --config FILE.");
    }
}
