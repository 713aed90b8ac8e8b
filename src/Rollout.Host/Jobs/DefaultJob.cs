using Rollout.Host.Invocation;

namespace Rollout.Host.Jobs;

/// <summary>The job that runs where none is named: config/arithmetic.conf, which travels with the program.</summary>
public static class DefaultJob
{
    private static readonly string File = Path.Combine("config", "arithmetic.conf");

    /// <summary>Its path, in <paramref name="folder"/> or the nearest folder above that has it.</summary>
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
