using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Sampling;

/// <summary>
/// Where the randomness of a sampled token comes from. The contract, which every device's sampler reproduces:
/// <list type="number">
/// <item>A sequence's key is the first two words (low first) of Philox4x32-10 under the run's seed at counter
/// (group low, group high, sample, <see cref="SequenceTag"/>).</item>
/// <item>The noise word x of vocabulary id v at position p is word v mod 4 of Philox4x32-10 under the
/// sequence's key at counter (v / 4, p, 0, 0).</item>
/// <item>u = ((float)x + 0.5f) · 2^-32, at most 1 − 2^-24, all in float. E = −log1p(−u) is exponential with
/// rate 1.</item>
/// <item>The token is the kept v with the largest logit_v / temperature − log E_v (the division in float),
/// the lowest id on ties: an exponential race, or Gumbel-max, whose winner is v with the softmax's
/// probability.</item>
/// </list>
/// A draw depends on key, position and its own row's logits only: not on batch, device count or what came
/// before. Devices may differ in the last bits of log and so in ties; nothing else.
/// </summary>
public static class SamplingRng
{
    /// <summary>
    /// Keeps sequence keys apart from any other use of Philox under the run's seed ("seqs").
    /// </summary>
    public const uint SequenceTag = 0x73716573;

    /// <summary>No noise −log E is larger: the smallest u is 2^-33, and 33 ln 2 &lt; 22.9.</summary>
    internal const double MaxNoise = 22.9;

    private const float TwoToMinus32 = 1f / 4294967296f;
    private const float LargestUniform = 1 - (1f / 16777216);

    /// <summary>The key of all draws of one sequence.</summary>
    public static ulong SequenceKey(ulong seed, SequenceId sequence)
    {
        var group = (ulong)sequence.Group.Value;
        var (low, high, _, _) = Philox.Words(
            seed, (uint)group, (uint)(group >> 32), (uint)sequence.Sample, SequenceTag);
        return low | ((ulong)high << 32);
    }

    /// <summary>The 32 random bits of one vocabulary id at one position of a sequence.</summary>
    public static uint Noise(ulong key, int position, int token)
    {
        var (w0, w1, w2, w3) = Philox.Words(key, (uint)token / 4, (uint)position, 0, 0);
        return (token % 4) switch { 0 => w0, 1 => w1, 2 => w2, _ => w3 };
    }

    /// <summary>Random bits to (0, 1).</summary>
    public static float Uniform(uint bits) => MathF.Min((bits + 0.5f) * TwoToMinus32, LargestUniform);

    /// <summary>Random bits to an exponential variable with rate 1: −log1p(−u).</summary>
    public static double Exponential(uint bits)
    {
        // Kahan's log1p: what rounding 1 − u loses is made good by the ratio.
        var u = (double)Uniform(bits);
        var rest = 1 - u;
        return rest == 1 ? u : -Math.Log(rest) * (u / (1 - rest));
    }
}
