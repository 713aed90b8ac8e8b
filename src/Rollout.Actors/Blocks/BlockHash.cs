using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Blocks;

/// <summary>
/// Identifies the keys and values of one full block: by its tokens, all tokens before them (through the parent's hash)
/// and the policy that computed it. Equal hashes count as equal content, so a collision would give one prompt the
/// memory of another: the hash is SHA-256 cut to 128 bits, where a collision takes about 2^64 tries.
/// </summary>
public readonly record struct BlockHash(UInt128 Value)
{
    // Parent and version. Blocks of up to 251 tokens are hashed on the stack.
    private const int PrefixBytes = 20;
    private const int StackBytes = 1024;

    /// <summary>The parent of the first block.</summary>
    public static BlockHash Root => default;

    /// <summary>The hash of the block that follows <paramref name="parent"/>.</summary>
    public static BlockHash After(BlockHash parent, ReadOnlySpan<int> tokens, PolicyVersion version)
    {
        var text = MemoryMarshal.AsBytes(tokens);
        var length = PrefixBytes + text.Length;
        var input = length <= StackBytes ? stackalloc byte[StackBytes] : new byte[length];
        BinaryPrimitives.WriteUInt128LittleEndian(input, parent.Value);
        BinaryPrimitives.WriteInt32LittleEndian(input[16..], version.Value);
        text.CopyTo(input[PrefixBytes..]);
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(input[..length], digest);
        return new BlockHash(BinaryPrimitives.ReadUInt128LittleEndian(digest));
    }

    /// <summary>[tokens / block size] the hashes of a prompt's full blocks, in order.</summary>
    public static BlockHash[] Chain(ReadOnlySpan<int> tokens, int blockSize, PolicyVersion version)
    {
        var chain = new BlockHash[tokens.Length / blockSize];
        var parent = Root;
        for (var i = 0; i < chain.Length; i++)
            chain[i] = parent = After(parent, tokens.Slice(i * blockSize, blockSize), version);
        return chain;
    }
}
