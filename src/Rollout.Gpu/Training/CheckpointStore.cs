using System.Globalization;
using System.Text.Json;
using Rollout.Gpu.Adapters;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Weights;

namespace Rollout.Gpu.Training;

/// <summary>
/// The checkpoints of a run: <c>step-N</c> folders below one parent. A folder with that name is complete and durable:
/// it is filled under a temporary name, flushed to the disk, and renamed. Its manifest finds whatever changes it
/// later.
/// </summary>
/// <param name="root">The parent folder, which the first checkpoint makes.</param>
public sealed class CheckpointStore(string root)
{
    /// <summary>Where the run stands, in every checkpoint folder.</summary>
    public const string ProgressFile = "progress.json";

    private const string Prefix = "step-";
    private const string Unfinished = ".unfinished-";
    private const string Replaced = ".replaced-";

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        RespectRequiredConstructorParameters = true,
        WriteIndented = true,
    };

    /// <summary>The folder of the checkpoint after that many training steps.</summary>
    public string FolderOf(int step) =>
        Path.Combine(root, Prefix + step.ToString(CultureInfo.InvariantCulture));

    /// <summary>The training steps that have a checkpoint, ascending.</summary>
    public IReadOnlyList<int> Steps() => !Directory.Exists(root)
        ? []
        :
        [
            .. Directory.EnumerateDirectories(root, Prefix + "*")
                .Select(folder => StepOf(Path.GetFileName(folder)))
                .OfType<int>()
                .Order(),
        ];

    /// <summary>The newest checkpoint's folder; false where there is none.</summary>
    public bool TryLatest(out string folder)
    {
        var steps = Steps();
        folder = steps.Count == 0 ? "" : FolderOf(steps[^1]);
        return steps.Count > 0;
    }

    /// <summary>
    /// True where nothing is lost by starting over: at most a first checkpoint was begun, not completed.
    /// </summary>
    public bool NeverHeldAny => !Directory.Exists(root)
        || Directory.EnumerateFileSystemEntries(root)
            .All(entry => Path.GetFileName(entry).StartsWith(Unfinished, StringComparison.Ordinal));

    /// <summary>
    /// Repairs what a killed process left: a checkpoint that it was replacing gets its name back unless the new one has the
    /// name and is whole, and is removed then; a checkpoint that it was writing is removed. The caller is the only one
    /// that writes here.
    /// </summary>
    public void Recover()
    {
        if (!Directory.Exists(root))
            return;
        foreach (var unfinished in Directory.EnumerateDirectories(root, $"{Unfinished}{Prefix}*").ToArray())
            Directory.Delete(unfinished, recursive: true);
        foreach (var replaced in Directory.EnumerateDirectories(root, $"{Replaced}{Prefix}*").ToArray())
        {
            var name = Path.GetFileName(replaced)[Replaced.Length..];
            RecoverReplaced(replaced, Path.Combine(root, name[..name.LastIndexOf('-')]));
        }
    }

    /// <summary>
    /// Removes all checkpoints but the newest, and one other. A folder loses its name before its files, so that a process
    /// that is killed meanwhile leaves no checkpoint that is not whole.
    /// </summary>
    /// <param name="last">How many of the newest stay.</param>
    /// <param name="other">The step of one that stays too; null for none.</param>
    public void KeepOnly(int last, int? other)
    {
        foreach (var step in Steps().SkipLast(last).Where(step => step != other))
        {
            var removed = Path.Combine(root, $"{Unfinished}{Prefix}{step}-{Guid.NewGuid():N}");
            Directory.Move(FolderOf(step), removed);
            Directory.Delete(removed, recursive: true);
        }
    }

    /// <summary>True where a checkpoint's files are as they were saved.</summary>
    public static bool IsWhole(string folder) => IsWhole(folder, StepOf(Path.GetFileName(folder)));

    /// <summary>
    /// Reads where the run stood at a checkpoint, after all its files were compared with its manifest.
    /// </summary>
    /// <exception cref="CheckpointException">
    /// A file is missing, is not as it was saved, or belongs to another step.
    /// </exception>
    public static TrainingProgress ReadVerified(string folder) =>
        ReadAs(folder, StepOf(Path.GetFileName(Path.TrimEndingDirectorySeparator(folder))));

    /// <param name="folder">The checkpoint's folder, also under another name.</param>
    /// <param name="step">The step that its name says.</param>
    private static TrainingProgress ReadAs(string folder, int? step)
    {
        var manifest = CheckpointManifest.Read(folder);
        var weights = manifest.Files.ContainsKey(PeftAdapter.WeightsName)
            ? PeftAdapter.WeightsName
            : SafetensorsCheckpoint.SingleName;
        manifest.Verify(folder, manifest.Files.Keys.Union([weights, TrainedModel.OptimizerFile, ProgressFile]));
        var progress = ReadProgress(Path.Combine(folder, ProgressFile));
        return progress.Step == manifest.Step && progress.Step == step
            ? progress
            : throw new CheckpointException(
                $"{folder} mixes checkpoints: {ProgressFile} is of step {progress.Step} and "
                + $"{CheckpointManifest.FileName} of step {manifest.Step}.");
    }

    /// <summary>
    /// Makes a checkpoint, complete or not at all. A checkpoint of that step that is there already (of a run that was
    /// resumed from an earlier one) is replaced once the new one is complete.
    /// </summary>
    /// <param name="folder">The final name.</param>
    /// <param name="progress">Where the run stands.</param>
    /// <param name="fill">Writes the other files into the folder that it is given.</param>
    public static void Write(string folder, TrainingProgress progress, Action<string> fill)
    {
        folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        var parent = Path.GetDirectoryName(folder)
            ?? throw new ArgumentException($"{folder} can't be a checkpoint folder.");
        var name = Path.GetFileName(folder);
        Directory.CreateDirectory(parent);
        foreach (var leftover in Directory.EnumerateDirectories(parent, Unfinished + name + "-*"))
            Directory.Delete(leftover, recursive: true);

        var unique = Guid.NewGuid().ToString("N");
        var unfinished = Path.Combine(parent, $"{Unfinished}{name}-{unique}");
        Directory.CreateDirectory(unfinished);
        try
        {
            fill(unfinished);
            File.WriteAllBytes(
                Path.Combine(unfinished, ProgressFile), JsonSerializer.SerializeToUtf8Bytes(progress, Json));
            CheckpointManifest.Write(unfinished, progress.Step);
            Publish(unfinished, folder, Path.Combine(parent, $"{Replaced}{name}-{unique}"));
        }
        catch (Exception cause)
        {
            if (Directory.Exists(unfinished))
                Directory.Delete(unfinished, recursive: true);
            if (cause is IOException or UnauthorizedAccessException)
                throw new IOException($"'{folder}' cannot be written: {WithoutPath(cause.Message)}", cause);
            throw;
        }
    }

    /// <summary>Drops the path at the end of .NET's message, that of a temporary file that is gone.</summary>
    private static string WithoutPath(string message) => message.Split(" : '")[0];

    /// <summary>Killed between the two renames, <see cref="Recover"/> undoes the first.</summary>
    private static void Publish(string written, string folder, string replaced)
    {
        if (!Directory.Exists(folder))
        {
            DurableFiles.MoveFolder(written, folder);
            return;
        }

        DurableFiles.FlushFolder(written);
        Directory.Move(folder, replaced);
        DurableFiles.MoveFolder(written, folder);
        Directory.Delete(replaced, recursive: true);
    }

    private static void RecoverReplaced(string replaced, string final)
    {
        if (Directory.Exists(final) && IsWhole(final))
        {
            Directory.Delete(replaced, recursive: true);
            return;
        }
        if (!IsWhole(replaced, StepOf(Path.GetFileName(final))))
            return;
        if (Directory.Exists(final))
            Directory.Delete(final, recursive: true);
        DurableFiles.MoveFolder(replaced, final);
    }

    private static bool IsWhole(string folder, int? step)
    {
        try
        {
            _ = ReadAs(folder, step);
            return true;
        }
        catch (CheckpointException)
        {
            return false;
        }
    }

    private static int? StepOf(string name) =>
        name.StartsWith(Prefix, StringComparison.Ordinal)
        && int.TryParse(name[Prefix.Length..], NumberStyles.None, CultureInfo.InvariantCulture, out var step)
            ? step
            : null;

    private static TrainingProgress ReadProgress(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<TrainingProgress>(File.ReadAllBytes(path), Json)
                is { Step: >= 0, DataCursor: >= 0 } progress
                ? progress
                : throw new CheckpointException($"{path} should have a step and a data_cursor of at least 0.");
        }
        catch (JsonException cause)
        {
            throw new CheckpointException($"{path} should be the progress of a checkpoint: {cause.Message}", cause);
        }
    }
}
