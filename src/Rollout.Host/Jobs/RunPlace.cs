using Rollout.Gpu.Training;
using Rollout.Host.Invocation;
using Rollout.Host.Output;

namespace Rollout.Host.Jobs;

/// <summary>
/// The folder that a run writes to, and the checkpoint that it continues. No other process can train in the folder
/// until this is disposed, after the last write.
/// </summary>
internal sealed class RunPlace : IDisposable
{
    private readonly RunFolder _folder;
    private IDisposable? _hold;

    private RunPlace(RunFolder folder, ResumePoint? resumed = null, IDisposable? hold = null)
    {
        _folder = folder;
        Resumed = resumed;
        _hold = hold;
    }

    /// <summary>The checkpoint that the run goes on from; null where it begins.</summary>
    public ResumePoint? Resumed { get; }

    /// <summary>The folder's absolute path.</summary>
    public string Path => _folder.Path;

    /// <summary>The configuration that the folder's run was started with; null where there is none.</summary>
    public string? Config => _hold is not null && File.Exists(_folder.Config) ? _folder.Config : null;

    /// <summary>A sentence about the folder's earlier run; null where there is none.</summary>
    public string? Notice { get; private init; }

    /// <summary>The folder that a command's options name: that of a run to continue, or of a new one.</summary>
    /// <param name="resume">--resume; null begins a run.</param>
    /// <param name="output">--out; null takes the next free folder below runs/.</param>
    /// <param name="config">The job's file, whose name the next free folder has; null for the default job.</param>
    /// <exception cref="CommandLineException">Both folders are named.</exception>
    /// <exception cref="OutputException">See <see cref="BeginOrGoOn"/> and <see cref="Begin"/>.</exception>
    public static RunPlace Choose(string? resume, string? output, string? config) => (resume, output) switch
    {
        (not null, not null) =>
            throw new CommandLineException("--resume continues in the run's own folder: leave out --out."),
        (not null, null) => BeginOrGoOn(resume, mustHoldRun: true),
        _ => Begin(output
            ?? RunFolder.NextFree("runs", config is null ? "arithmetic" : System.IO.Path.GetFileNameWithoutExtension(config))),
    };

    /// <summary>Chooses the folder of a new run, which <see cref="Open"/> makes.</summary>
    /// <exception cref="OutputException">The folder holds one already.</exception>
    private static RunPlace Begin(string path) => new(RunFolder.ForNew(path));

    /// <summary>
    /// For a process that is restarted with the same command: continues the folder's run, or begins one where there is
    /// none. A run that was killed before its first checkpoint begins anew, and its record is replaced.
    /// </summary>
    /// <param name="path">The folder.</param>
    /// <param name="mustHoldRun">Refuse a folder in which no run was begun.</param>
    /// <exception cref="OutputException">
    /// Another process has the folder, or it has checkpoints of which none is complete, or no run.
    /// </exception>
    public static RunPlace BeginOrGoOn(string path, bool mustHoldRun = false) =>
        mustHoldRun || Directory.Exists(path) ? Held(path, hold => GoOn(path, mustHoldRun, hold)) : Begin(path);

    private static RunPlace GoOn(string path, bool mustHoldRun, IDisposable hold)
    {
        var folder = mustHoldRun ? RunFolder.Resume(path) : RunFolder.For(path);
        if (!folder.HoldsRun && !mustHoldRun)
            return new RunPlace(folder, hold: hold);
        if (new CheckpointStore(folder.Checkpoints).NeverHeldAny)
        {
            return new RunPlace(folder, hold: hold)
            {
                Notice = $"the run in '{path}' ended before its first checkpoint: it begins again, and its record is replaced",
            };
        }
        var resumed = ResumePoint.Find(path);
        return new RunPlace(folder, resumed, hold)
        {
            Notice = $"continuing the run in '{path}' after training step {resumed.Progress.Step}",
        };
    }

    /// <summary>The folder of the checkpoint after a training step.</summary>
    public string Checkpoint(int step) => _folder.Checkpoint(step);

    /// <summary>
    /// Makes the folder of a new run and holds it. Called last, when the run's input is known to be good: a run that
    /// can't start leaves nothing behind.
    /// </summary>
    /// <exception cref="OutputException">It can't be written, or another process was faster.</exception>
    public RunFolder Open()
    {
        if (_hold is null)
        {
            RunFolder.Create(_folder.Path);
            _hold = RunFolder.Hold(_folder.Path);
        }
        return _folder;
    }

    public void Dispose() => _hold?.Dispose();

    private static RunPlace Held(string path, Func<IDisposable, RunPlace> find)
    {
        var hold = RunFolder.Hold(path);
        try
        {
            return find(hold);
        }
        catch (Exception)
        {
            hold.Dispose();
            throw;
        }
    }
}
