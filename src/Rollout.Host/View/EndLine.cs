using Rollout.Gpu.Contracts;
using Rollout.Host.Output;

namespace Rollout.Host.View;

/// <summary>The line that says why a run ended before its last step, and how it is continued.</summary>
internal static class EndLine
{
    /// <param name="end">The last finished step.</param>
    /// <param name="steps">Training steps of the run.</param>
    /// <param name="reached">Why the run may end early, such as an accuracy; null where it had to go on.</param>
    /// <param name="run">The run's folder.</param>
    /// <param name="command">The command that continues it.</param>
    /// <returns>Null where all steps were done, and where the run ended before its first.</returns>
    public static string? Of(TrainingProgress end, int steps, string? reached, RunFolder run, string command)
    {
        if (end.Step >= steps)
            return null;
        if (reached is not null)
            return $"target reached {(end.Step == 0 ? "before training" : $"after step {end.Step} of {steps}")}: {reached}";
        return end.Step == 0 ? null : $"ended after step {end.Step} of {steps}; to continue: rollout {command} --resume {Shown(run.Path)}";
    }

    /// <summary>The line where a command is to continue a run that has all its steps.</summary>
    public static string Done(int done, int steps, string checkpoint, string key) =>
        $"done: {done} of {steps} steps, {Shown(checkpoint)}; --set {key}=N goes on";

    /// <summary>A path as the user would type it.</summary>
    public static string Shown(string path)
    {
        var relative = Path.GetRelativePath(Environment.CurrentDirectory, path);
        return relative.StartsWith("..", StringComparison.Ordinal) ? path : relative;
    }
}
