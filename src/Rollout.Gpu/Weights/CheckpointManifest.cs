using System.IO.Hashing;
using System.Text.Json;
using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Weights;

/// <summary>
/// manifest.json of a checkpoint: the training step it belongs to, and the size and checksum of each of its files. A
/// folder that was mixed from two checkpoints, or changed after it was saved, is found by it.
/// </summary>
/// <param name="Step">Training steps finished.</param>
/// <param name="Files">By name, each file of the folder but the manifest itself.</param>
internal sealed record CheckpointManifest(int Step, IReadOnlyDictionary<string, FileDigest> Files)
{
    /// <summary>The manifest's name in a checkpoint's folder.</summary>
    public const string FileName = "manifest.json";

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        RespectRequiredConstructorParameters = true,
        RespectNullableAnnotations = true,
        WriteIndented = true,
    };

    /// <summary>Writes the manifest of all files that a folder holds now.</summary>
    public static void Write(string folder, int step)
    {
        var files = Directory.EnumerateFiles(folder)
            .Order(StringComparer.Ordinal)
            .ToDictionary(path => Path.GetFileName(path), FileDigest.Of);
        File.WriteAllBytes(
            Path.Combine(folder, FileName), JsonSerializer.SerializeToUtf8Bytes(new CheckpointManifest(step, files), Json));
    }

    /// <summary>Reads the manifest of a checkpoint.</summary>
    /// <exception cref="CheckpointException">It is missing, or is no manifest.</exception>
    public static CheckpointManifest Read(string folder)
    {
        var path = Path.Combine(folder, FileName);
        try
        {
            return JsonSerializer.Deserialize<CheckpointManifest>(File.ReadAllBytes(path), Json)
                ?? throw new CheckpointException($"{path} should list the files of a checkpoint.");
        }
        catch (JsonException cause)
        {
            throw new CheckpointException($"{path} should list the files of a checkpoint: {cause.Message}", cause);
        }
        catch (Exception cause) when (cause is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException(
                $"{path} is not there: the checkpoint is incomplete, or of a version that wrote no manifest; "
                + "a new run can start from its weights by model.path.",
                cause);
        }
    }

    /// <summary>Compares files with the manifest; reads each of them whole.</summary>
    /// <param name="folder">The checkpoint's folder.</param>
    /// <param name="names">Which files; each must be listed and be there.</param>
    /// <exception cref="CheckpointException">A file is missing, or is not as it was saved.</exception>
    public void Verify(string folder, IEnumerable<string> names)
    {
        foreach (var name in names)
        {
            var path = Path.Combine(folder, name);
            if (Files.GetValueOrDefault(name) is not { } expected)
                throw new CheckpointException($"{Path.Combine(folder, FileName)} lists no {name}.");
            if (!File.Exists(path))
                throw new CheckpointException($"{path} is missing, but {FileName} lists it.");
            var actual = FileDigest.Of(path);
            if (actual == expected)
                continue;
            var difference = actual.Bytes == expected.Bytes
                ? "its checksum differs"
                : $"it has {actual.Bytes} bytes instead of {expected.Bytes}";
            throw new CheckpointException($"{path} is not the file that {FileName} lists: {difference}.");
        }
    }

    /// <summary>
    /// Compares the model's files with the manifest, where the folder has one: a folder of another program's has none.
    /// The optimizer's state is left out, which nobody reads from a model.
    /// </summary>
    /// <exception cref="CheckpointException">A file is not as it was saved.</exception>
    public static void VerifyModel(string folder)
    {
        if (!File.Exists(Path.Combine(folder, FileName)))
            return;
        var manifest = Read(folder);
        manifest.Verify(folder, manifest.Files.Keys.Where(IsOfModel).Where(name => File.Exists(Path.Combine(folder, name))));
    }

    private static bool IsOfModel(string name) =>
        name is "config.json" or "tokenizer.json" || name.StartsWith("model", StringComparison.Ordinal)
        || name.StartsWith("adapter", StringComparison.Ordinal);
}

/// <summary>What a file must be to be the one that was saved.</summary>
/// <param name="Bytes">The file's length.</param>
/// <param name="Xxh128">XXH128 of its bytes, in hexadecimal: finds damage, not forgery.</param>
internal sealed record FileDigest(long Bytes, string Xxh128)
{
    /// <summary>Reads a file whole.</summary>
    public static FileDigest Of(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        var hash = new XxHash128();
        hash.Append(file);
        return new FileDigest(file.Length, Convert.ToHexStringLower(hash.GetCurrentHash()));
    }
}
