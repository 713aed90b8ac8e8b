using System.Globalization;
using System.Text.Json;
using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Training;

/// <summary>
/// The checkpoints of a run: <c>step-N</c> folders of one parent. A folder with that name is complete: it is
/// filled under a temporary name beside it, flushed to the disk, and renamed.
/// </summary>
/// <param name="root">The parent folder; it is made when the first checkpoint is.</param>
public sealed class CheckpointStore(string root)
{
    /// <summary>Where the run stands, in every checkpoint folder.</summary>
    public const string ProgressFile = "progress.json";

    private const string Prefix = "step-";
    private const string Unfinished = ".unfinished-";
    private const string Replaced = ".replaced-";

    /// <summary>The folder of the checkpoint after that many training steps.</summary>
    public string FolderOf(int step) =>
        Path.Combine(root, Prefix + step.ToString(CultureInfo.InvariantCulture));

    /// <summary>Training steps of which there are checkpoints, ascending.</summary>
    public IReadOnlyList<int> Steps()
    {
        if (!Directory.Exists(root))
            return [];
        return
        [
            .. Directory.EnumerateDirectories(root, Prefix + "*")
                .Select(folder => Path.GetFileName(folder)[Prefix.Length..])
                .Where(digits => int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out _))
                .Select(digits => int.Parse(digits, CultureInfo.InvariantCulture))
                .Where(step => File.Exists(Path.Combine(FolderOf(step), ProgressFile)))
                .Order(),
        ];
    }

    /// <summary>The newest checkpoint's folder; false where there is none.</summary>
    public bool TryLatest(out string folder)
    {
        var steps = Steps();
        folder = steps.Count == 0 ? "" : FolderOf(steps[^1]);
        return steps.Count > 0;
    }

    /// <summary>True where nothing is lost by starting over: at most a first checkpoint was begun, not completed.</summary>
    public bool NeverHeldAny => !Directory.Exists(root)
        || Directory.EnumerateFileSystemEntries(root)
            .All(entry => Path.GetFileName(entry).StartsWith(Unfinished, StringComparison.Ordinal));

    /// <summary>Reads <see cref="ProgressFile"/> of a checkpoint.</summary>
    /// <exception cref="CheckpointException">
    /// The file is missing or not what <see cref="WriteProgress"/> writes.
    /// </exception>
    public static TrainingProgress ReadProgress(string folder)
    {
        var path = Path.Combine(folder, ProgressFile);
        try
        {
            var progress = JsonSerializer.Deserialize<TrainingProgress>(File.ReadAllBytes(path), Json);
            return progress is { Step: >= 0, DataCursor: >= 0 }
                ? progress
                : throw new CheckpointException(
                    $"{path} should have a step and a data_cursor of at least 0.");
        }
        catch (Exception cause)
            when (cause is JsonException or FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException(
                $"{path} should be the progress of a checkpoint: {cause.Message}", cause);
        }
    }

    /// <summary>
    /// Fills a new folder, complete or not at all. A folder that is there already (a run that was resumed
    /// from an earlier step) is replaced once the new one is complete.
    /// </summary>
    /// <param name="folder">The final name.</param>
    /// <param name="fill">Writes into the folder that it is given.</param>
    public static void Write(string folder, Action<string> fill)
    {
        folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        var parent = Path.GetDirectoryName(folder) ?? throw new ArgumentException(
            $"{folder} can't be a checkpoint folder.");
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
            Flush(unfinished);
        }
        catch
        {
            Directory.Delete(unfinished, recursive: true);
            throw;
        }

        if (Directory.Exists(folder))
        {
            var replaced = Path.Combine(parent, $"{Replaced}{name}-{unique}");
            Directory.Move(folder, replaced);
            Directory.Move(unfinished, folder);
            Directory.Delete(replaced, recursive: true);
            return;
        }

        Directory.Move(unfinished, folder);
    }

    /// <summary>Writes <see cref="ProgressFile"/>: step, data_cursor, seed.</summary>
    public static void WriteProgress(string folder, TrainingProgress progress) =>
        File.WriteAllBytes(
            Path.Combine(folder, ProgressFile), JsonSerializer.SerializeToUtf8Bytes(progress, Json));

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        RespectRequiredConstructorParameters = true,
        WriteIndented = true,
    };

    /// <summary>
    /// A rename may reach the disk before the data does; a power cut would leave a checkpoint of holes.
    /// </summary>
    private static void Flush(string folder)
    {
        foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
        {
            using var handle = File.OpenHandle(file, FileMode.Open, FileAccess.ReadWrite);
            RandomAccess.FlushToDisk(handle);
        }
    }
}
