namespace Rollout.Host.Output;

/// <summary>
/// The folder of one training run: metrics.jsonl, rollouts.jsonl, eval.jsonl, plots.png, tensorboard, config.conf and
/// checkpoints/step-N. A folder holds one run; a second one is refused.
/// </summary>
public sealed class RunFolder
{
    private const string MetricsName = "metrics.jsonl";
    private const string RolloutsName = "rollouts.jsonl";
    private const string CheckpointsName = "checkpoints";
    private const string LockName = ".lock";

    private RunFolder(string path) => Path = path;

    /// <summary>The folder's absolute path.</summary>
    public string Path { get; }

    public string Metrics => System.IO.Path.Combine(Path, MetricsName);

    public string Rollouts => System.IO.Path.Combine(Path, RolloutsName);

    /// <summary>The completions of evaluations.</summary>
    public string Evaluations => System.IO.Path.Combine(Path, "eval.jsonl");

    public string Plots => System.IO.Path.Combine(Path, "plots.png");

    /// <summary>The folder of TensorBoard's event files.</summary>
    public string TensorBoard => System.IO.Path.Combine(Path, "tensorboard");

    public string Checkpoints => System.IO.Path.Combine(Path, CheckpointsName);

    /// <summary>
    /// True where the folder has a finished step or a checkpoint. A run that ended before counts as none.
    /// </summary>
    public bool HoldsRun => Directory.Exists(Checkpoints) || (File.Exists(Metrics) && File.ReadLines(Metrics).Any(IsStep));

    /// <summary>The configuration that the run was started with.</summary>
    public string Config => System.IO.Path.Combine(Path, "config.conf");

    /// <summary>checkpoints/step-N: the state after training step N.</summary>
    public string Checkpoint(int step) => System.IO.Path.Combine(Checkpoints, $"step-{step}");

    /// <summary>Names the folder of a run without touching the disk.</summary>
    public static RunFolder For(string path) => new(System.IO.Path.GetFullPath(path));

    /// <summary>Names the folder of a new run.</summary>
    /// <exception cref="OutputException">It holds a run already.</exception>
    public static RunFolder ForNew(string path)
    {
        var folder = For(path);
        return folder.HoldsRun
            ? throw new OutputException(
                $"'{path}' already holds a run: choose another --out, or continue it with --resume '{path}'.")
            : folder;
    }

    /// <summary>
    /// Makes the folder of a new run. Called last, when the run's input is known to be good: a run that cannot start
    /// leaves nothing behind.
    /// </summary>
    /// <exception cref="OutputException">It holds a run already, is a file, or cannot be written.</exception>
    public static RunFolder Create(string path)
    {
        var folder = ForNew(path);
        folder.RequireWritable();
        return folder;
    }

    /// <summary>Opens the folder of a run to be resumed.</summary>
    /// <exception cref="OutputException">It holds no run, or cannot be written.</exception>
    public static RunFolder Resume(string path)
    {
        var folder = For(path);
        if (!folder.HoldsRun && !File.Exists(folder.Config))
            throw new OutputException($"'{path}' holds no run to continue: it has neither config.conf nor metrics nor checkpoints.");
        folder.RequireWritable();
        return folder;
    }

    /// <summary>
    /// Keeps other processes from writing a run's folder until the result is disposed of, or this process ends.
    /// </summary>
    /// <exception cref="OutputException">Another process holds it, or there is no such folder.</exception>
    public static IDisposable Hold(string path)
    {
        if (!Directory.Exists(path))
            throw new OutputException($"'{path}' holds no run to continue: there is no such folder.");
        var file = System.IO.Path.Combine(path, LockName);
        try
        {
            return new FileStream(
                file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (IOException) when (File.Exists(file))
        {
            throw new OutputException($"Another process trains in '{path}': end it first, or choose another folder.");
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new OutputException($"'{path}' cannot be written: {cause.Message}", cause);
        }
    }

    /// <summary>The first of name-1, name-2, … below <paramref name="parent"/> that is not there yet.</summary>
    public static string NextFree(string parent, string name)
    {
        for (var number = 1; ; number++)
        {
            var path = System.IO.Path.Combine(parent, $"{name}-{number}");
            if (!Directory.Exists(path) && !File.Exists(path))
                return path;
        }
    }

    /// <summary>False for the line of metrics.jsonl about what was measured before training.</summary>
    private static bool IsStep(string line) => !line.StartsWith("""{"step":0,""", StringComparison.Ordinal);

    private void RequireWritable()
    {
        if (File.Exists(Path))
            throw new OutputException($"'{Path}' is a file: the run's output needs a folder.");
        var existed = Directory.Exists(Path);
        try
        {
            Directory.CreateDirectory(Path);
            OutputPath.Probe(Path);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            if (!existed && Directory.Exists(Path))
                Directory.Delete(Path);
            throw new OutputException($"'{Path}' cannot be written: {cause.Message}", cause);
        }
    }
}
