using System.Security.Cryptography;
using System.Text;
using Rollout.Gpu.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Models;

/// <summary>
/// A counter-based generator: number i of a stream is a function of the stream's key and i, on every device.
/// </summary>
internal static class CounterRandom
{
    /// <summary>
    /// [length] float32 from N(0, 1), none beyond ±5.9, by Box–Muller from two 24-bit uniforms of one 64-bit hash.
    /// </summary>
    public static Tensor Normal(long key, long start, long length, Device device)
    {
        using Scalar minusTwo = (-2).ToScalar(), fullTurn = (2 * Math.PI).ToScalar();
        var bits = Bits(key, start, length, device);
        var radius = Middle(ShiftRight(bits, 40)).log_().mul_(minusTwo).sqrt_();
        var angle = Middle(bits.bitwise_and(0xFF_FFFFL)).mul_(fullTurn);
        return radius.mul_(angle.cos_());
    }

    /// <summary>[length] float32, each one of 2²⁴ numbers in (0, 1), which are equally likely.</summary>
    public static Tensor Uniform(long key, long start, long length, Device device) =>
        Middle(ShiftRight(Bits(key, start, length, device), 40));

    /// <summary>[length] int64, a hash of the key and each position.</summary>
    private static Tensor Bits(long key, long start, long length, Device device)
    {
        using Scalar first = start.ToScalar(), end = (start + length).ToScalar();
        return Mix(arange(first, end, Scalars.One, ScalarType.Int64, device), key);
    }

    /// <summary>Maps 24 bits to the middle of one of 2²⁴ equal parts of (0, 1), in single precision.</summary>
    private static Tensor Middle(Tensor bits)
    {
        using Scalar half = 0.5f.ToScalar(), part = (1.0 / (1 << 24)).ToScalar();
        return bits.to(ScalarType.Float32).add_(half, Scalars.One).mul_(part);
    }

    /// <summary>
    /// SplitMix64 (Steele, Lea, Flood 2014): the counter times the odd constant, plus the key, then the finalizer.
    /// </summary>
    private static Tensor Mix(Tensor counter, long key)
    {
        using var odd = unchecked((long)0x9E3779B97F4A7C15).ToScalar();
        using var offset = key.ToScalar();
        using var first = unchecked((long)0xBF58476D1CE4E5B9).ToScalar();
        using var second = unchecked((long)0x94D049BB133111EB).ToScalar();
        var z = counter.mul_(odd).add_(offset, Scalars.One);
        z = z.bitwise_xor(ShiftRight(z, 30)).mul_(first);
        z = z.bitwise_xor(ShiftRight(z, 27)).mul_(second);
        return z.bitwise_xor(ShiftRight(z, 31));
    }

    /// <summary>
    /// Shifts right and fills with zeros, where torch's shift of signed integers fills with the sign.
    /// </summary>
    private static Tensor ShiftRight(Tensor bits, int count) =>
        bits.bitwise_right_shift(count).bitwise_and((1L << (64 - count)) - 1);

    /// <summary>The key of a stream of numbers.</summary>
    public static long Key(ulong seed, string name)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{seed}:{name}"));
        return BitConverter.ToInt64(hash, 0);
    }
}
