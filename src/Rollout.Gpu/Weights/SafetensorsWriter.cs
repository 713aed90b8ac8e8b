using System.Buffers.Binary;
using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Rollout.Gpu.Weights;

/// <summary>
/// Writes safetensors files as transformers does: metadata format "pt", data aligned to 8 bytes.
/// </summary>
internal static class SafetensorsWriter
{
    private const int Alignment = 8;
    private const long ChunkElements = 1 << 23;

    /// <summary>Writes a file, whole or not at all.</summary>
    /// <param name="path">The file, replaced if it exists.</param>
    /// <param name="tensors">Names, each once, and values on any device; they stay the caller's.</param>
    public static void Write(string path, IReadOnlyList<(string Name, Tensor Values)> tensors)
    {
        // Wide types first, so that every tensor begins at a multiple of its element size.
        var ordered = tensors
            .OrderByDescending(tensor => SafetensorsHeader.SizeOf(tensor.Values.dtype))
            .ThenBy(tensor => tensor.Name, StringComparer.Ordinal)
            .ToArray();
        DurableFiles.Write(path, file =>
        {
            WriteHeader(file, ordered);
            foreach (var (_, values) in ordered)
                WriteValues(file, values);
        });
    }

    private static void WriteHeader(FileStream file, (string Name, Tensor Values)[] tensors)
    {
        var header = new JsonObject
        {
            [SafetensorsHeader.MetadataKey] = new JsonObject { ["format"] = "pt" },
        };
        var offset = 0L;
        foreach (var (name, values) in tensors)
        {
            var end = offset + values.numel() * SafetensorsHeader.SizeOf(values.dtype);
            header.Add(name, new JsonObject
            {
                ["dtype"] = SafetensorsHeader.NameOf(values.dtype),
                ["shape"] = new JsonArray([.. values.shape.Select(size => (JsonNode)JsonValue.Create(size))]),
                ["data_offsets"] = new JsonArray(offset, end),
            });
            offset = end;
        }

        var json = System.Text.Encoding.UTF8.GetBytes(header.ToJsonString());
        var padded = (json.Length + Alignment - 1) / Alignment * Alignment;
        Span<byte> length = stackalloc byte[SafetensorsHeader.LengthBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)padded);
        file.Write(length);
        file.Write(json);
        for (var i = json.Length; i < padded; i++)
            file.WriteByte((byte)' ');
    }

    private static void WriteValues(FileStream file, Tensor values)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var flat = values.detach().reshape(-1);
        var count = flat.numel();
        for (var done = 0L; done < count; done += ChunkElements)
        {
            using var chunk = NewDisposeScope();
            var part = flat.narrow(0, done, Math.Min(ChunkElements, count - done)).cpu();
            file.Write(part.bytes);
        }
    }
}
