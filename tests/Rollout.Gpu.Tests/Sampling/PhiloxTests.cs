using System.Runtime.Intrinsics.X86;
using FsCheck.Fluent;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Sampling;
using Xunit;

namespace Rollout.Gpu.Tests.Sampling;

public sealed class PhiloxTests
{
    // Known answers of the authors' library Random123 (tests/kat_vectors, philox4x32, 10 rounds).
    [Fact]
    public void The_words_equal_the_published_vectors()
    {
        Assert.Equal((0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u), Philox.Words(0, 0, 0, 0, 0));
        Assert.Equal(
            (0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu),
            Philox.Words(ulong.MaxValue, uint.MaxValue, uint.MaxValue, uint.MaxValue, uint.MaxValue));
        Assert.Equal(
            (0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u),
            Philox.Words(0x299f31d0a4093822, 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344));
    }

    [Fact]
    public void Eight_counters_at_once_give_the_same_words_in_order() =>
        Prop.ForAll<ulong, uint, uint>((key, first, c1) =>
        {
            if (!Avx2.IsSupported)
                return true;
            var (a, b, c, d) = Philox.EightCounters(key, first, c1);
            for (var word = 0; word < 32; word++)
            {
                var vector = (word / 8) switch { 0 => a, 1 => b, 2 => c, _ => d };
                var (w0, w1, w2, w3) = Philox.Words(key, first + ((uint)word / 4), c1, 0, 0);
                if (vector[word % 8] != (word % 4) switch { 0 => w0, 1 => w1, 2 => w2, _ => w3 })
                    return false;
            }

            return true;
        }).Holds();

    [Fact]
    public void Sequences_of_one_seed_and_seeds_of_one_sequence_have_their_own_keys()
    {
        var keys = new HashSet<ulong>();
        for (var seed = 0UL; seed < 8; seed++)
        {
            for (var group = 0L; group < 64; group++)
            {
                for (var sample = 0; sample < 16; sample++)
                    keys.Add(SamplingRng.SequenceKey(seed, new SequenceId(new GroupId(group << 30), sample)));
            }
        }

        Assert.Equal(8 * 64 * 16, keys.Count);
    }

    [Fact]
    public void Uniforms_stay_inside_the_unit_interval_at_both_ends()
    {
        Assert.Equal(1 / 8589934592f, SamplingRng.Uniform(0));
        Assert.Equal(1 - (1f / 16777216), SamplingRng.Uniform(uint.MaxValue));
        Assert.InRange(-Math.Log(SamplingRng.Exponential(0)), 22.8, SamplingRng.MaxNoise);
        Assert.Equal(24 * Math.Log(2), SamplingRng.Exponential(uint.MaxValue), 1e-9);
    }

    [Fact]
    public void The_exponential_keeps_full_precision_for_the_smallest_uniforms()
    {
        // -log1p(-u) = u + u²/2 + u³/3 + …
        for (var bits = 1u; bits < 1 << 20; bits = (bits * 2) + 1)
        {
            var u = (double)SamplingRng.Uniform(bits);
            var series = u * (1 + (u * ((1.0 / 2) + (u / 3))));
            Assert.Equal(1, SamplingRng.Exponential(bits) / series, 1e-10);
        }
    }
}
