using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Rollout.Gpu.Sampling;

/// <summary>
/// Philox4x32-10, a counter-based random number generator. It is a keyed bijection of 128-bit counters, so that any
/// draw is computed from its counter alone. Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2,
/// 3", SC 2011.
/// </summary>
internal static class Philox
{
    private const int Rounds = 10;
    private const uint MultiplierA = 0xD2511F53;
    private const uint MultiplierB = 0xCD9E8D57;
    private const uint WeylA = 0x9E3779B9;
    private const uint WeylB = 0xBB67AE85;

    // In this order of lanes, Transpose puts consecutive counters side by side.
    private static readonly Vector256<uint> LaneOffsets = Vector256.Create(0u, 2, 4, 6, 1, 3, 5, 7);

    /// <summary>The four 32-bit words at this counter under this key (low word first).</summary>
    public static (uint W0, uint W1, uint W2, uint W3) Words(ulong key, uint c0, uint c1, uint c2, uint c3)
    {
        var (k0, k1) = ((uint)key, (uint)(key >> 32));
        for (var round = 0; round < Rounds; round++, k0 += WeylA, k1 += WeylB)
        {
            var a = (ulong)MultiplierA * c0;
            var b = (ulong)MultiplierB * c2;
            (c0, c1, c2, c3) = ((uint)(b >> 32) ^ c1 ^ k0, (uint)b, (uint)(a >> 32) ^ c3 ^ k1, (uint)a);
        }

        return (c0, c1, c2, c3);
    }

    /// <summary>
    /// The words of eight counters, (first, c1, 0, 0) … (first + 7, c1, 0, 0): 32 words in four vectors, ordered by
    /// counter, then word. Needs AVX2.
    /// </summary>
    internal static (Vector256<uint> A, Vector256<uint> B, Vector256<uint> C, Vector256<uint> D) EightCounters(
        ulong key, uint first, uint c1)
    {
        var w0 = Vector256.Create(first) + LaneOffsets;
        var w1 = Vector256.Create(c1);
        var w2 = Vector256<uint>.Zero;
        var w3 = Vector256<uint>.Zero;
        var (k0, k1) = ((uint)key, (uint)(key >> 32));
        for (var round = 0; round < Rounds; round++, k0 += WeylA, k1 += WeylB)
        {
            var (highA, lowA) = Multiply(w0, MultiplierA);
            var (highB, lowB) = Multiply(w2, MultiplierB);
            w0 = highB ^ w1 ^ Vector256.Create(k0);
            w1 = lowB;
            w2 = highA ^ w3 ^ Vector256.Create(k1);
            w3 = lowA;
        }

        return Transpose(w0, w1, w2, w3);
    }

    // AVX2 multiplies even 32-bit lanes to 64 bits. Odd lanes are shifted into their places and back.
    private static (Vector256<uint> High, Vector256<uint> Low) Multiply(Vector256<uint> value, uint multiplier)
    {
        const byte Odd = 0b10101010;
        var factor = Vector256.Create(multiplier);
        var even = Avx2.Multiply(value, factor);
        var odd = Avx2.Multiply((value.AsUInt64() >>> 32).AsUInt32(), factor);
        return (Avx2.Blend((even >>> 32).AsUInt32(), odd.AsUInt32(), Odd),
            Avx2.Blend(even.AsUInt32(), (odd << 32).AsUInt32(), Odd));
    }

    // Within each 128-bit half: from one vector for each word to one vector for each two counters.
    private static (Vector256<uint> A, Vector256<uint> B, Vector256<uint> C, Vector256<uint> D) Transpose(
        Vector256<uint> w0, Vector256<uint> w1, Vector256<uint> w2, Vector256<uint> w3)
    {
        var low01 = Avx2.UnpackLow(w0, w1).AsUInt64();
        var low23 = Avx2.UnpackLow(w2, w3).AsUInt64();
        var high01 = Avx2.UnpackHigh(w0, w1).AsUInt64();
        var high23 = Avx2.UnpackHigh(w2, w3).AsUInt64();
        return (Avx2.UnpackLow(low01, low23).AsUInt32(), Avx2.UnpackHigh(low01, low23).AsUInt32(),
            Avx2.UnpackLow(high01, high23).AsUInt32(), Avx2.UnpackHigh(high01, high23).AsUInt32());
    }
}
