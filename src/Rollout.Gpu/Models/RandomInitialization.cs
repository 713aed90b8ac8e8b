using System.Security.Cryptography;
using System.Text;
using Rollout.Gpu.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Models;

/// <summary>
/// Draws initial weights with a counter-based generator on the model's own device. Element i of a tensor is a
/// function of seed, name and i, so that a seed gives the same model on CPU and GPU, up to the rounding of log and
/// cos.
/// </summary>
internal static class RandomInitialization
{
    private const long ChunkElements = 1 << 22;

    public static void Apply(CausalLm model, ulong seed, double std)
    {
        using var noGrad = no_grad();
        foreach (var weight in model.CheckpointTensors())
        {
            using var scope = NewDisposeScope();
            var view = weight.View();
            switch (weight.Kind)
            {
                case WeightKind.Matrix:
                    FillNormal(view.view(-1), StreamKey(seed, weight.Name), std);
                    break;
                case WeightKind.Bias:
                    view.zero_();
                    break;
                default:
                    view.fill_(Scalars.One);
                    break;
            }
        }
    }

    private static void FillNormal(Tensor flat, long key, double std)
    {
        using var scale = std.ToScalar();
        var count = flat.size(0);
        for (var start = 0L; start < count; start += ChunkElements)
        {
            using var scope = NewDisposeScope();
            var length = Math.Min(ChunkElements, count - start);
            flat.narrow(0, start, length).copy_(Normal(key, start, length, flat.device).mul_(scale));
        }
    }

    /// <summary>
    /// [length] float32 from N(0, 1), none beyond ±5.9, by Box–Muller from two 24-bit uniforms of one 64-bit hash.
    /// </summary>
    private static Tensor Normal(long key, long start, long length, Device device)
    {
        using Scalar first = start.ToScalar(), end = (start + length).ToScalar();
        using Scalar minusTwo = (-2).ToScalar(), fullTurn = (2 * Math.PI).ToScalar();
        var bits = Mix(arange(first, end, Scalars.One, ScalarType.Int64, device), key);
        var radius = Uniform(ShiftRight(bits, 40)).log_().mul_(minusTwo).sqrt_();
        var angle = Uniform(bits.bitwise_and(0xFF_FFFFL)).mul_(fullTurn);
        return radius.mul_(angle.cos_());
    }

    /// <summary>Maps 24 bits to the middle of one of 2²⁴ equal parts of (0, 1), in single precision.</summary>
    private static Tensor Uniform(Tensor bits)
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

    private static long StreamKey(ulong seed, string name)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{seed}:{name}"));
        return BitConverter.ToInt64(hash, 0);
    }
}
