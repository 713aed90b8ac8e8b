using System.Numerics;

namespace Rollout.Actors.Data;

/// <summary>
/// A permutation of 0 … count - 1 that is computed, not stored: a Feistel network over the next even power of two,
/// walked until it lands inside (Black and Rogaway, CT-RSA 2002). Any position is found at once, so a resumed run
/// replays nothing.
/// </summary>
internal readonly struct SeededPermutation
{
    private const int Rounds = 6;

    private readonly ulong _key;
    private readonly int _halfBits;

    public SeededPermutation(int count, ulong key)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        Count = count;
        _key = key;
        _halfBits = Math.Max(1, (BitOperations.Log2((uint)count) + 2) / 2);
    }

    /// <summary>The number of positions.</summary>
    public int Count { get; }

    /// <summary>The item at a position.</summary>
    public int this[int position]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(position);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(position, Count);
            var value = (ulong)position;
            do
                value = Permute(value);
            while (value >= (ulong)Count);
            return (int)value;
        }
    }

    private ulong Permute(ulong value)
    {
        var mask = (1UL << _halfBits) - 1;
        var (left, right) = (value >> _halfBits, value & mask);
        for (var round = 0UL; round < Rounds; round++)
            (left, right) = (right, left ^ (SplitMix64.Mix(_key + round, right) & mask));
        return (left << _halfBits) | right;
    }
}
