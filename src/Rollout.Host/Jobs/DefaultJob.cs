using Rollout.Host.Invocation;

namespace Rollout.Host.Jobs;

/// <summary>
/// The job of a <c>rollout train</c> without --config: config/arithmetic.conf, which is copied beside the program.
/// </summary>
public static class DefaultJob
{
    private static readonly string File = Path.Combine("config", "arithmetic.conf");

    /// <summary>Finds the job's file in <paramref name="folder"/> or the nearest folder above that has it.</summary>
    /// <exception cref="CommandLineException">There is none.</exception>
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
