using System.Buffers.Binary;
using System.Text.Json;
using Rollout.Gpu.Contracts;
using static TorchSharp.torch;

namespace Rollout.Gpu.Weights;

/// <summary>
/// Reads the header of a safetensors file: 8 bytes of length, then JSON of that length, then the data. Lengths, types,
/// ranges and overlaps are checked before anything is read by them.
/// Format: https://github.com/huggingface/safetensors#format
/// </summary>
internal static class SafetensorsHeader
{
    /// <summary>The format's own limit, in bytes.</summary>
    private const long MaxLength = 100_000_000;

    public const int LengthBytes = sizeof(ulong);

    public const string MetadataKey = "__metadata__";

    /// <summary>The entries in the order of their data.</summary>
    public static IReadOnlyList<SafetensorsEntry> Read(string path, FileStream file)
    {
        if (file.Length < LengthBytes)
            throw Broken(path, $"has {file.Length} bytes, too few for a safetensors header");
        Span<byte> prefix = stackalloc byte[LengthBytes];
        file.ReadExactly(prefix);
        var length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        var available = file.Length - LengthBytes;
        if (length > MaxLength)
            throw Broken(path, $"states a header of {length} bytes, and {MaxLength} is the limit");
        if (length > (ulong)available)
            throw Broken(path, $"states a header of {length} bytes, and only {available} follow");

        var json = new byte[length];
        file.ReadExactly(json);
        var dataStart = LengthBytes + (long)length;
        var entries = Parse(path, json, dataStart, file.Length - dataStart);
        entries.Sort((a, b) => (a.Offset, a.ByteCount).CompareTo((b.Offset, b.ByteCount)));
        CheckCoverage(path, entries, dataStart, file.Length);
        return entries;
    }

    /// <summary>The format's name of a type.</summary>
    public static string NameOf(ScalarType dtype) =>
        Names.FirstOrDefault(pair => pair.Value == dtype).Key
        ?? throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "safetensors has no such type here");

    public static int SizeOf(ScalarType dtype) => dtype switch
    {
        ScalarType.Float64 or ScalarType.Int64 => 8,
        ScalarType.Float32 or ScalarType.Int32 => 4,
        ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Int16 => 2,
        _ => 1,
    };

    private static readonly Dictionary<string, ScalarType> Names = new()
    {
        ["F64"] = ScalarType.Float64,
        ["F32"] = ScalarType.Float32,
        ["F16"] = ScalarType.Float16,
        ["BF16"] = ScalarType.BFloat16,
        ["I64"] = ScalarType.Int64,
        ["I32"] = ScalarType.Int32,
        ["I16"] = ScalarType.Int16,
        ["I8"] = ScalarType.Int8,
        ["U8"] = ScalarType.Byte,
        ["BOOL"] = ScalarType.Bool,
    };

    private static List<SafetensorsEntry> Parse(string path, byte[] json, long dataStart, long dataLength)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw Broken(path, "has a header that is not a JSON object");
            var entries = new List<SafetensorsEntry>();
            var seen = new HashSet<string>();
            foreach (var property in document.RootElement.EnumerateObject())
            {
                if (!seen.Add(property.Name))
                    throw Broken(path, $"names tensor {SafetensorsEntry.Shown(property.Name)} twice");
                if (property.Name != MetadataKey)
                    entries.Add(Entry(path, property, dataStart, dataLength));
            }

            return entries;
        }
        catch (Exception cause) when (cause is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: a property name that isn't valid UTF-16 after unescaping.
            throw new CheckpointException($"{path} has a header that is not JSON.", cause);
        }
    }

    private static SafetensorsEntry Entry(string path, JsonProperty tensor, long dataStart, long dataLength)
    {
        var (name, shown) = (tensor.Name, SafetensorsEntry.Shown(tensor.Name));
        if (tensor.Value.ValueKind != JsonValueKind.Object
            || !tensor.Value.TryGetProperty("dtype", out var dtypeName)
            || dtypeName.ValueKind != JsonValueKind.String)
        {
            throw Broken(path, $"states no dtype for tensor {shown}");
        }

        if (!Names.TryGetValue(dtypeName.GetString()!, out var dtype))
        {
            var type = SafetensorsEntry.Shown(dtypeName.GetString()!);
            throw Broken(path, $"holds tensor {shown} as {type}, which is not supported");
        }

        if (Whole(tensor.Value, "shape") is not { } shape)
            throw Broken(path, $"states no valid shape for tensor {shown}");
        if (Whole(tensor.Value, "data_offsets") is not [var begin, var end] || begin > end)
            throw Broken(path, $"states no valid data_offsets for tensor {shown}");
        if (end > dataLength)
            throw Broken(path,
                $"places tensor {shown} up to byte {end} of the data, and there are {dataLength}");

        var needed = shape.Aggregate((UInt128)SizeOf(dtype), Times);
        if (needed != (UInt128)(end - begin))
        {
            throw Broken(path, $"gives tensor {shown} {end - begin} bytes, and {dtypeName.GetString()} "
                + $"{SafetensorsEntry.Shown(shape)} needs {(needed == UInt128.MaxValue ? "more" : needed)}");
        }

        return new SafetensorsEntry(name, dtype, shape, dataStart + begin, end - begin);
    }

    /// <summary>
    /// The product, or the maximum where it overflows. Once it is zero it stays zero.
    /// </summary>
    private static UInt128 Times(UInt128 product, long size) =>
        size == 0 || product == 0 ? 0
        : product > UInt128.MaxValue / (UInt128)size ? UInt128.MaxValue
        : product * (UInt128)size;

    private static long[]? Whole(JsonElement tensor, string key)
    {
        if (!tensor.TryGetProperty(key, out var list) || list.ValueKind != JsonValueKind.Array)
            return null;
        var numbers = new long[list.GetArrayLength()];
        for (var i = 0; i < numbers.Length; i++)
        {
            var item = list[i];
            if (item.ValueKind != JsonValueKind.Number || !item.TryGetInt64(out numbers[i]) || numbers[i] < 0)
                return null;
        }

        return numbers;
    }

    /// <summary>The format demands that tensors neither overlap nor leave gaps.</summary>
    private static void CheckCoverage(
        string path, List<SafetensorsEntry> entries, long dataStart, long fileLength)
    {
        var end = dataStart;
        foreach (var entry in entries)
        {
            if (entry.Offset != end)
            {
                var fault = entry.Offset < end ? "overlaps the one before it" : "leaves a gap before it";
                throw Broken(path, $"places tensor {SafetensorsEntry.Shown(entry.Name)} where it {fault}");
            }

            end += entry.ByteCount;
        }

        if (end != fileLength)
            throw Broken(path, $"has {fileLength - end} bytes after its last tensor");
    }

    private static CheckpointException Broken(string path, string fault) => new($"{path} {fault}.");
}
