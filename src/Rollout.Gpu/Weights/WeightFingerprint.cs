using System.Security.Cryptography;
using System.Text;
using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Weights;

/// <summary>
/// Tells checkpoints apart without reading all of them, for hosts that compare theirs before they decode together.
/// </summary>
public static class WeightFingerprint
{
    private const int SampledBytes = 4096;

    /// <summary>A hash of every tensor's name, type, shape and middle bytes.</summary>
    /// <exception cref="CheckpointException">The folder holds no weights that can be read.</exception>
    public static byte[] Of(string folder)
    {
        using var checkpoint = SafetensorsCheckpoint.Open(folder);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[SampledBytes];
        foreach (var name in checkpoint.Names.Order(StringComparer.Ordinal))
        {
            var (file, entry) = checkpoint.Find(name)!.Value;
            using var handle = File.OpenHandle(file.Path);
            // The middle: the ends of embeddings are often rows that nobody trained.
            var start = entry.Offset + (Math.Max(0, entry.ByteCount - SampledBytes) / 2);
            var read = RandomAccess.Read(handle, buffer.AsSpan(0, (int)Math.Min(entry.ByteCount, SampledBytes)), start);
            hash.AppendData(Encoding.UTF8.GetBytes($"{name} {entry.Dtype} {string.Join('x', entry.Shape)}\n"));
            hash.AppendData(buffer.AsSpan(0, read));
        }

        return hash.GetHashAndReset();
    }
}
