using System.Text.Json;
using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Weights;

/// <summary>
/// The tensors of a model folder: one model.safetensors, or the shards that an index names.
/// </summary>
internal sealed class SafetensorsCheckpoint : IDisposable
{
    internal const string SingleName = "model.safetensors";
    private const string IndexName = "model.safetensors.index.json";

    private readonly Dictionary<string, (SafetensorsFile File, SafetensorsEntry Entry)> _tensors = [];
    private readonly List<SafetensorsFile> _files = [];

    private SafetensorsCheckpoint(string path)
    {
        Path = path;
    }

    /// <summary>The file or the index.</summary>
    public string Path { get; }

    public IReadOnlyCollection<string> Names => _tensors.Keys;

    /// <exception cref="CheckpointException">The files are missing, or contradict themselves or each
    /// other.</exception>
    public static SafetensorsCheckpoint Open(string folder)
    {
        var single = System.IO.Path.Combine(folder, SingleName);
        var index = System.IO.Path.Combine(folder, IndexName);
        var sharded = !File.Exists(single);
        if (sharded && !File.Exists(index))
            throw new CheckpointException($"{folder} has neither {SingleName} nor {IndexName}.");

        var checkpoint = new SafetensorsCheckpoint(sharded ? index : single);
        try
        {
            if (sharded)
                checkpoint.AddShards(folder, ReadIndex(index));
            else
                checkpoint.Add(SafetensorsFile.Open(single));
            return checkpoint;
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <summary>Where a tensor is, if it is there.</summary>
    public (SafetensorsFile File, SafetensorsEntry Entry)? Find(string name) =>
        _tensors.TryGetValue(name, out var found) ? found : null;

    public void Dispose() => _files.ForEach(file => file.Dispose());

    private static Dictionary<string, string> ReadIndex(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            if (document.RootElement.ValueKind == JsonValueKind.Object
                && document.RootElement.TryGetProperty("weight_map", out var map)
                && map.ValueKind == JsonValueKind.Object
                && map.Deserialize<Dictionary<string, string>>() is { } shards)
            {
                return shards;
            }

            throw new CheckpointException($"{path} has no weight_map.");
        }
        catch (Exception cause) when (cause is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: a name or text that isn't valid UTF-16 after unescaping.
            throw new CheckpointException($"{path} is not JSON that maps tensors to files.", cause);
        }
    }

    private void AddShards(string folder, Dictionary<string, string> shardOf)
    {
        foreach (var name in shardOf.Values.Distinct().Order(StringComparer.Ordinal))
        {
            // A name of its own folder only: an index must not lead elsewhere.
            if (string.IsNullOrEmpty(name) || name is "." or ".." || name.AsSpan().ContainsAny('/', '\\'))
                throw new CheckpointException($"{Path} names \"{name}\", which is not a file of its folder.");
            Add(SafetensorsFile.Open(System.IO.Path.Combine(folder, name)));
        }

        foreach (var (tensor, shard) in shardOf)
        {
            if (Find(tensor) is not { } found || System.IO.Path.GetFileName(found.File.Path) != shard)
                throw new CheckpointException(
                    $"{Path} places tensor {tensor} in {shard}, which does not have it.");
        }
    }

    private void Add(SafetensorsFile file)
    {
        _files.Add(file);
        foreach (var entry in file.Entries)
        {
            if (!_tensors.TryAdd(entry.Name, (file, entry)))
            {
                throw new CheckpointException(
                    $"Tensor {entry.Name} is in {_tensors[entry.Name].File.Path} and again in {file.Path}.");
            }
        }
    }
}
