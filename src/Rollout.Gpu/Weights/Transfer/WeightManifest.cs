using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;
using Rollout.Gpu.Contracts;
using static TorchSharp.torch;

namespace Rollout.Gpu.Weights.Transfer;

/// <summary>
/// What precedes the weights on the wire: the policy, and name, type, shape and checksum (XXH3-64) of each tensor. A
/// reader believes nothing of it: every length has a bound before anything is made of it.
/// </summary>
/// <remarks>
/// Little-endian: run i64, version i32, tensors i32; then for each tensor name length u16, name in UTF-8, type u8,
/// dimensions u8, sizes i64 each, checksum u64.
/// </remarks>
internal sealed record WeightManifest(Policy Policy, TransferLayout Layout, IReadOnlyList<ulong> Checksums)
{
    /// <summary>The longest encoded manifest in bytes: 100,000 tensors with names of 100 letters.</summary>
    public const int MaxLength = 16 << 20;

    private const int MaxNameBytes = 1024;
    private const int MaxDimensions = 8;
    private const int HeaderBytes = sizeof(long) + 2 * sizeof(int);

    private static readonly ScalarType[] Types =
        [ScalarType.Float32, ScalarType.BFloat16, ScalarType.Float16, ScalarType.Float64];

    public static ulong ChecksumOf(ReadOnlySpan<byte> encoded) => XxHash3.HashToUInt64(encoded);

    public byte[] Encode()
    {
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes);     // little-endian by definition
        writer.Write(Policy.Run);
        writer.Write(Policy.Version.Value);
        writer.Write(Layout.Tensors.Count);
        foreach (var (tensor, checksum) in Layout.Tensors.Zip(Checksums))
        {
            var name = Encoding.UTF8.GetBytes(tensor.Name);
            writer.Write((ushort)name.Length);
            writer.Write(name);
            writer.Write((byte)Array.IndexOf(Types, tensor.Dtype));
            writer.Write((byte)tensor.Shape.Count);
            foreach (var size in tensor.Shape)
                writer.Write(size);
            writer.Write(checksum);
        }
        return bytes.ToArray();
    }

    /// <exception cref="InvalidDataException">It isn't a manifest.</exception>
    public static WeightManifest Decode(ReadOnlySpan<byte> encoded)
    {
        try
        {
            return DecodeBounded(encoded);
        }
        catch (Exception fault) when (fault is ArgumentException or OverflowException)
        {
            throw new InvalidDataException("a manifest of weights that ends early or counts too far", fault);
        }
    }

    private static WeightManifest DecodeBounded(ReadOnlySpan<byte> rest)
    {
        var policy = new Policy(
            BinaryPrimitives.ReadInt64LittleEndian(rest),
            new PolicyVersion(BinaryPrimitives.ReadInt32LittleEndian(rest[sizeof(long)..])));
        var count = BinaryPrimitives.ReadInt32LittleEndian(rest[(sizeof(long) + sizeof(int))..]);
        rest = rest[HeaderBytes..];
        // Each tensor takes 12 bytes at least: a count that the bytes can't hold is refused before a list of it is made.
        if (count < 0 || count > rest.Length / 12)
            throw new InvalidDataException($"a manifest of {count} tensors in {rest.Length} bytes");
        var tensors = new TransferTensor[count];
        var checksums = new ulong[count];
        for (var i = 0; i < count; i++)
            tensors[i] = DecodeTensor(ref rest, out checksums[i]);
        return rest.IsEmpty
            ? new WeightManifest(policy, new TransferLayout(tensors), checksums)
            : throw new InvalidDataException($"{rest.Length} bytes after a manifest's last tensor");
    }

    private static TransferTensor DecodeTensor(ref ReadOnlySpan<byte> rest, out ulong checksum)
    {
        var nameLength = BinaryPrimitives.ReadUInt16LittleEndian(Take(ref rest, sizeof(ushort)));
        if (nameLength > MaxNameBytes)
            throw new InvalidDataException($"a tensor's name of {nameLength} bytes");
        var name = Encoding.UTF8.GetString(Take(ref rest, nameLength));
        var type = Take(ref rest, 1)[0];
        var dimensions = Take(ref rest, 1)[0];
        if (type >= Types.Length || dimensions > MaxDimensions)
            throw new InvalidDataException($"tensor {name} of type {type} with {dimensions} dimensions");
        var shape = new long[dimensions];
        foreach (ref var size in shape.AsSpan())
        {
            size = BinaryPrimitives.ReadInt64LittleEndian(Take(ref rest, sizeof(long)));
            if (size < 0)
                throw new InvalidDataException($"tensor {name} with a dimension of {size}");
        }
        checksum = BinaryPrimitives.ReadUInt64LittleEndian(Take(ref rest, sizeof(ulong)));
        return new TransferTensor(name, Types[type], shape);
    }

    private static ReadOnlySpan<byte> Take(ref ReadOnlySpan<byte> rest, int count)
    {
        var taken = rest[..count];
        rest = rest[count..];
        return taken;
    }
}
