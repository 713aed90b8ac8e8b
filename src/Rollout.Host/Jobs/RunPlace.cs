using Rollout.Gpu.Training;
using Rollout.Host.Output;

namespace Rollout.Host.Jobs;

/// <summary>
/// Where a run writes, and where in it the run starts. Its folder is this process's alone until this is disposed of: by
/// then nobody may write any more.
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

    /// <summary>What is to be said of it beforehand; null where it is a folder like any other.</summary>
    public string? Notice { get; private init; }

    /// <summary>A new run.</summary>
    /// <exception cref="OutputException">The folder holds one already.</exception>
    public static RunPlace Begin(string path) => new(RunFolder.ForNew(path));

    /// <summary>A run that goes on.</summary>
    /// <exception cref="OutputException">The folder holds none, or no checkpoint, or another process has it.</exception>
    public static RunPlace GoOn(string path) => Held(path, hold =>
    {
        var resumed = ResumePoint.Find(path);
        return new RunPlace(resumed.Folder, resumed, hold);
    });

    /// <summary>
    /// For a process that is started again and again with the same command: goes on with the folder's run, and begins
    /// where there is none. A run that was killed before its first checkpoint has nothing to go on from: it begins anew,
    /// and its record is replaced.
    /// </summary>
    /// <exception cref="OutputException">
    /// Another process has the folder, or there are checkpoints, none of them complete: somebody's, but not to go on from.
    /// </exception>
    public static RunPlace BeginOrGoOn(string path) => !Directory.Exists(path) ? Begin(path) : Held(path, hold =>
    {
        var folder = RunFolder.For(path);
        if (!folder.HoldsRun)
            return new RunPlace(folder, hold: hold);
        if (new CheckpointStore(folder.Checkpoints).NeverHeldAny)
        {
            return new RunPlace(folder, hold: hold)
            {
                Notice = $"the run in '{path}' ended before its first checkpoint: it begins anew, in place of its record",
            };
        }
        var resumed = ResumePoint.Find(path);
        return new RunPlace(folder, resumed, hold)
        {
            Notice = $"going on with the run in '{path}' after training step {resumed.Progress.Step}",
        };
    });

    /// <summary>The checkpoints' folder of a step.</summary>
    public string Checkpoint(int step) => _folder.Checkpoint(step);

    /// <summary>
    /// The run's folder, there and held. Call it last, when all that the run needs is known to be good: one that can't
    /// start leaves nothing behind.
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
