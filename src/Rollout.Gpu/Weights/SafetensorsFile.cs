using Rollout.Gpu.Contracts;
using static TorchSharp.torch;

namespace Rollout.Gpu.Weights;

/// <summary>
/// An open safetensors file: a tensor is read when it is asked for. A file that is cut meanwhile is an error, which a
/// mapping into memory would not survive.
/// </summary>
internal sealed class SafetensorsFile : IDisposable
{
    /// <summary>
    /// Elements that are converted or sent to a device at a time, which bounds the staging memory.
    /// </summary>
    private const long ChunkElements = 1 << 23;

    private readonly Dictionary<string, SafetensorsEntry> _entries;
    private readonly FileStream _file;

    private SafetensorsFile(string path, IReadOnlyList<SafetensorsEntry> entries, FileStream file)
    {
        Path = path;
        Entries = entries;
        _entries = entries.ToDictionary(entry => entry.Name);
        _file = file;
    }

    public string Path { get; }

    /// <summary>All tensors, in the order of their data.</summary>
    public IReadOnlyList<SafetensorsEntry> Entries { get; }

    /// <exception cref="CheckpointException">The file isn't there, or its header contradicts its data.</exception>
    public static SafetensorsFile Open(string path)
    {
        FileStream? file = null;
        try
        {
            file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            return new SafetensorsFile(path, SafetensorsHeader.Read(path, file), file);
        }
        catch (Exception cause) when (cause is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException($"{path} is not there.", cause);
        }
        catch
        {
            file?.Dispose();
            throw;
        }
    }

    /// <summary>The entry of a name, if the file has it.</summary>
    public SafetensorsEntry? Find(string name) => _entries.GetValueOrDefault(name);

    /// <summary>A copy of one tensor on the CPU, of the file's shape and type. The caller's.</summary>
    /// <exception cref="CheckpointException">The file has no such tensor.</exception>
    public Tensor Read(string name)
    {
        var entry = Find(name) ?? throw new CheckpointException($"{Path} has no tensor {name}.");
        var values = empty([.. entry.Shape], entry.Dtype, CPU);
        CopyTo(entry, values);
        return values;
    }

    /// <summary>Copies one tensor, converted to the type and device of the destination.</summary>
    /// <param name="entry">An entry of this file.</param>
    /// <param name="destination">Contiguous, with as many elements as the entry.</param>
    public void CopyTo(SafetensorsEntry entry, Tensor destination)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var elementSize = SafetensorsHeader.SizeOf(entry.Dtype);
        var count = entry.ByteCount / elementSize;
        var flat = destination.view(-1);
        if (flat.numel() != count)
            throw new ArgumentException($"tensor {entry.Name} has {count} elements, not {flat.numel()}",
                nameof(destination));

        var inPlace = destination.dtype == entry.Dtype
            && destination.device_type == TorchSharp.DeviceType.CPU;
        var staging = inPlace ? flat : empty([Math.Min(count, ChunkElements)], entry.Dtype, CPU);
        for (var done = 0L; done < count; done += ChunkElements)
        {
            var length = Math.Min(ChunkElements, count - done);
            using var part = staging.narrow(0, inPlace ? done : 0, length);
            ReadExactly(part.bytes, entry.Offset + (done * elementSize));
            if (inPlace)
                continue;
            using var target = flat.narrow(0, done, length);
            target.copy_(part);
        }
    }

    public void Dispose() => _file.Dispose();

    private void ReadExactly(Span<byte> target, long offset)
    {
        while (target.Length > 0)
        {
            var count = RandomAccess.Read(_file.SafeFileHandle, target, offset);
            if (count == 0)
                throw new CheckpointException($"{Path} ends before byte {offset}: it was cut while it was in use.");
            target = target[count..];
            offset += count;
        }
    }
}
