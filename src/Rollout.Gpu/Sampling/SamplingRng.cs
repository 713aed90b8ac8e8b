using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Sampling;

/// <summary>
/// The randomness of sampled tokens. Every device's sampler follows these rules:
/// <list type="number">
/// <item>A sequence's key is the first two words (low first) of Philox4x32-10 under the run's seed at counter
/// (group low, group high, sample, <see cref="SequenceTag"/>).</item>
/// <item>The noise word x of vocabulary id v at position p is word v mod 4 of Philox4x32-10 under the
/// sequence's key at counter (v / 4, p, 0, 0).</item>
/// <item>u = ((float)x + 0.5f) · 2^-32, at most 1 − 2^-24, all in float. E = −log1p(−u) is exponential with
/// rate 1.</item>
/// <item>The token is the kept v with the largest logit_v / temperature − log E_v (the division in float), the lowest
/// id on ties. This exponential race, or Gumbel-max, chooses v with the softmax's probability.</item>
/// </list>
/// A draw depends on key, position and its own row's logits only, not on the batch, the number of devices or earlier
/// draws. Devices may differ in the last bits of a logarithm, and so in near-ties.
/// </summary>
public static class SamplingRng
{
    /// <summary>Keeps sequence keys apart from other uses of Philox under the run's seed. Reads "seqs".</summary>
    public const uint SequenceTag = 0x73716573;

    /// <summary>The largest noise −log E: the smallest u is 2^-33, and 33 ln 2 &lt; 22.9.</summary>
    internal const double MaxNoise = 22.9;

    private const float TwoToMinus32 = 1f / 4294967296f;
    private const float LargestUniform = 1 - (1f / 16777216);

    /// <summary>The key of all draws of a sequence.</summary>
    public static ulong SequenceKey(ulong seed, SequenceId sequence)
    {
        var group = (ulong)sequence.Group.Value;
        var (low, high, _, _) = Philox.Words(
            seed, (uint)group, (uint)(group >> 32), (uint)sequence.Sample, SequenceTag);
        return low | ((ulong)high << 32);
    }

    /// <summary>The 32 random bits of a vocabulary id at a position of a sequence.</summary>
    public static uint Noise(ulong key, int position, int token)
    {
        var (w0, w1, w2, w3) = Philox.Words(key, (uint)token / 4, (uint)position, 0, 0);
        return (token % 4) switch { 0 => w0, 1 => w1, 2 => w2, _ => w3 };
    }

    /// <summary>Maps random bits to (0, 1).</summary>
    public static float Uniform(uint bits) => MathF.Min((bits + 0.5f) * TwoToMinus32, LargestUniform);

    /// <summary>Maps random bits to an exponential variable with rate 1: −log1p(−u).</summary>
    public static double Exponential(uint bits)
    {
        // Kahan's log1p: the ratio makes up for what rounding 1 − u loses.
        var u = (double)Uniform(bits);
        var rest = 1 - u;
        return rest == 1 ? u : -Math.Log(rest) * (u / (1 - rest));
    }
}
