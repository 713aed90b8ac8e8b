using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Rollout.Gpu.Sampling;

/// <summary>
/// The exponential race of <see cref="SamplingRng"/> over one row: the token with the largest logit / temperature −
/// log E wins. Since E ≥ u, a token with u above weight · exp(max − best score) can't win. So most tokens cost their
/// random bits and one comparison, but no logarithm. In doubt the comparison lets a token enter.
/// </summary>
internal ref struct Race
{
    private const double Slack = 1.0001;

    private readonly ReadOnlySpan<float> _logits;
    private readonly RowDistribution _row;
    private readonly ulong _key;
    private readonly int _position;
    private double _best = double.NegativeInfinity;
    private float _limit;
    private int _winner;

    // The most probable token is in every race, so that there is always a winner, and it bounds the others from the
    // start.
    private Race(ReadOnlySpan<float> logits, RowDistribution row, ulong key, int position, int first)
    {
        _logits = logits;
        _row = row;
        _key = key;
        _position = position;
        Enter(first, SamplingRng.Noise(key, position, first));
    }

    /// <summary>Draws from all tokens that have at least this share of the largest probability.</summary>
    public static int Draw(
        ReadOnlySpan<float> logits, RowDistribution row, ulong key, int position, float minP)
    {
        var race = new Race(logits, row, key, position, row.ArgMax);
        var done = Avx2.IsSupported ? race.EnterVectors(minP) : 0;
        for (var token = done; token < logits.Length; token += 4)
        {
            var (w0, w1, w2, w3) = Philox.Words(key, (uint)token / 4, (uint)position, 0, 0);
            race.EnterIfFast(token, w0, minP);
            race.EnterIfFast(token + 1, w1, minP);
            race.EnterIfFast(token + 2, w2, minP);
            race.EnterIfFast(token + 3, w3, minP);
        }

        return race._winner;
    }

    /// <summary>Draws from these tokens, the most probable first.</summary>
    public static int Draw(
        ReadOnlySpan<float> logits, RowDistribution row, ulong key, int position, ReadOnlySpan<int> kept)
    {
        var race = new Race(logits, row, key, position, kept[0]);
        foreach (var token in kept[1..])
        {
            if ((logits[token] / row.Temperature) + SamplingRng.MaxNoise < race._best)
                break;
            race.Enter(token, SamplingRng.Noise(key, position, token));
        }

        return race._winner;
    }

    // 32 tokens at a time. Returns the number of tokens that entered or were passed over.
    private int EnterVectors(float minP)
    {
        ref var weights = ref MemoryMarshal.GetReference(_row.Weights);
        var least = Vector256.Create(minP);
        var token = 0;
        for (; token + 32 <= _logits.Length; token += 32)
        {
            var words = Philox.EightCounters(_key, (uint)token / 4, (uint)_position);
            EnterVector(token, words.A, Vector256.LoadUnsafe(ref weights, (nuint)token), least);
            EnterVector(token + 8, words.B, Vector256.LoadUnsafe(ref weights, (nuint)token + 8), least);
            EnterVector(token + 16, words.C, Vector256.LoadUnsafe(ref weights, (nuint)token + 16), least);
            EnterVector(token + 24, words.D, Vector256.LoadUnsafe(ref weights, (nuint)token + 24), least);
        }

        return token;
    }

    private void EnterVector(int token, Vector256<uint> bits, Vector256<float> weights, Vector256<float> minP)
    {
        // The upper 24 bits are exact as a float, and not above u.
        var uniform = Vector256.ConvertToSingle((bits >>> 8).AsInt32()) * (1f / 16777216);
        var fast = Vector256.LessThanOrEqual(uniform, weights * _limit)
            & Vector256.GreaterThanOrEqual(weights, minP);
        for (var lanes = fast.ExtractMostSignificantBits(); lanes != 0; lanes &= lanes - 1)
        {
            var lane = BitOperations.TrailingZeroCount(lanes);
            Enter(token + lane, bits[lane]);
        }
    }

    private void EnterIfFast(int token, uint bits, float minP)
    {
        if (token < _logits.Length && _row.Weights[token] >= minP
            && (bits >> 8) * (1f / 16777216) <= _row.Weights[token] * _limit)
            Enter(token, bits);
    }

    private void Enter(int token, uint bits)
    {
        var score = (double)(_logits[token] / _row.Temperature) - Math.Log(SamplingRng.Exponential(bits));
        if (score < _best || (score == _best && token >= _winner))
            return;
        (_best, _winner) = (score, token);
        _limit = (float)(Math.Exp(_row.Max - score) * Slack);
    }
}
