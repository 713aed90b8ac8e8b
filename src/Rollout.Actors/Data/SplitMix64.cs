namespace Rollout.Actors.Data;

/// <summary>
/// The SplitMix64 generator (Steele, Lea and Flood, OOPSLA 2014) as a hash. It gives the same on every machine and .NET
/// version, which <see cref="Random"/> does not promise.
/// </summary>
internal static class SplitMix64
{
    private const ulong Gamma = 0x9E3779B97F4A7C15;

    /// <summary>Mixes all bits of the value into all bits of the result; a bijection.</summary>
    public static ulong Mix(ulong value)
    {
        value += Gamma;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }

    /// <summary>A hash of two values in their order.</summary>
    public static ulong Mix(ulong first, ulong second) => Mix(Mix(first) ^ second);

    /// <summary>A hash scaled to 0 … <paramref name="count"/> - 1.</summary>
    public static int Below(int count, ulong hash) => (int)Math.BigMul(hash, (ulong)count, out _);
}
