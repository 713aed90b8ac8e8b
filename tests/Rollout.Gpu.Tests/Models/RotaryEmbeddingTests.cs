using FsCheck.Fluent;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Models;

public sealed class RotaryEmbeddingTests
{
    private const int HeadDim = 8;

    private static readonly RopeSettings Llama3 = new()
    {
        Type = RopeType.Llama3,
        Theta = 500_000,
        Factor = 8,
        LowFreqFactor = 1,
        HighFreqFactor = 4,
        OriginalMaxPositionEmbeddings = 64,
    };

    [Fact]
    public void Rotation_equals_the_formula_in_double_precision()
    {
        float[] head = [1, -2, 3, 0.5f, -1.5f, 2, 0.25f, -3];
        foreach (var position in (long[])[0, 1, 7, 500])
        {
            var rotated = Rotate(new RopeSettings { Theta = 100 }, head, position);
            for (var i = 0; i < HeadDim / 2; i++)
            {
                var angle = position * Math.Pow(100, -2.0 * i / HeadDim);
                var (a, b) = (head[i], head[i + HeadDim / 2]);
                Assert.Equal(a * Math.Cos(angle) - b * Math.Sin(angle), rotated[i], 1e-4);
                Assert.Equal(b * Math.Cos(angle) + a * Math.Sin(angle), rotated[i + HeadDim / 2], 1e-4);
            }
        }
    }

    [Fact]
    public void Products_of_rotated_heads_depend_on_the_distance_alone() =>
        Prop.ForAll(
            ArbMap.Default.ArbFor<byte>(), ArbMap.Default.ArbFor<byte>(), ArbMap.Default.ArbFor<byte>(),
            (from, distance, shift) =>
            {
                float[] query = [1, -2, 3, 0.5f, -1.5f, 2, 0.25f, -3];
                float[] key = [0.5f, 1, -1, 2, 3, -0.5f, 1.5f, 1];
                var near = Dot(Rotate(Llama3, query, from + distance), Rotate(Llama3, key, from));
                var far =
                    Dot(Rotate(Llama3, query, from + distance + shift), Rotate(Llama3, key, from + shift));
                return Math.Abs(near - far) < 2e-3;
            }).Holds();

    [Fact]
    public void Rotation_keeps_lengths() =>
        Prop.ForAll<ushort>(position =>
        {
            float[] head = [1, -2, 3, 0.5f, -1.5f, 2, 0.25f, -3];
            var rotated = Rotate(new RopeSettings(), head, position);
            return Math.Abs(Dot(head, head) - Dot(rotated, rotated)) < 1e-3;
        }).Holds();

    [Fact]
    public void Linear_scaling_rotates_a_stretched_position_as_the_original()
    {
        float[] head = [1, -2, 3, 0.5f, -1.5f, 2, 0.25f, -3];
        var stretched = Rotate(new RopeSettings { Type = RopeType.Linear, Factor = 4 }, head, 20);
        var plain = Rotate(new RopeSettings(), head, 5);

        for (var i = 0; i < HeadDim; i++)
            Assert.Equal(plain[i], stretched[i], 1e-5);
    }

    [Fact]
    public void Llama3_keeps_short_wavelengths_divides_long_ones_and_blends_others()
    {
        const int headDim = 64;
        var plain = new RopeSettings { Theta = Llama3.Theta }.InverseFrequencies(headDim);
        var scaled = Llama3.InverseFrequencies(headDim);
        var regimes = new int[3];
        for (var i = 0; i < plain.Length; i++)
        {
            var wavelength = 2 * Math.PI / plain[i];
            var ratio = scaled[i] / plain[i];
            if (wavelength < 64.0 / 4)
            {
                regimes[0]++;
                Assert.Equal(1, ratio, 1e-6);
            }
            else if (wavelength > 64.0)
            {
                regimes[1]++;
                Assert.Equal(1.0 / 8, ratio, 1e-6);
            }
            else
            {
                regimes[2]++;
                var smooth = (64 / wavelength - 1) / (4 - 1);
                Assert.Equal((1 - smooth) / 8 + smooth, ratio, 1e-5);
            }
        }

        Assert.All(regimes, count => Assert.True(count > 0));
    }

    private static float[] Rotate(RopeSettings settings, float[] head, long position)
    {
        using var scope = NewDisposeScope();
        using var rotary = new RotaryEmbedding(settings, HeadDim, ScalarType.Float32, CPU);
        var angles = rotary.AnglesOf(tensor([position]));
        return rotary.Rotate(tensor(head).view(1, 1, HeadDim), angles).data<float>().ToArray();
    }

    private static double Dot(float[] a, float[] b) => a.Zip(b, (x, y) => (double)x * y).Sum();
}
