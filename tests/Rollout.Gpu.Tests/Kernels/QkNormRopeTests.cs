using Rollout.Gpu.Kernels;
using Rollout.Gpu.Models;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Kernels;

[Collection(GpuTests.Name)]
public sealed class QkNormRopeTests(GpuFixture gpu) : GpuTest(gpu)
{
    [Theory]
    [InlineData(128, 16, 8, 16, true, ScalarType.BFloat16)]
    [InlineData(64, 8, 8, 1, false, ScalarType.BFloat16)]
    [InlineData(72, 6, 3, 5, true, ScalarType.BFloat16)]
    [InlineData(256, 8, 1, 32, true, ScalarType.BFloat16)]
    [InlineData(8, 8, 4, 3, true, ScalarType.Float32)]
    [InlineData(128, 5, 5, 16, false, ScalarType.Float32)]
    public void Queries_keys_and_values_are_the_models_own_and_lie_at_their_slots(
        int headDim, int heads, int kvHeads, int blockSize, bool hasNorm, ScalarType dtype)
    {
        const int Tokens = 37, Blocks = 50;
        var shape = new KernelShape(headDim, heads, kvHeads, blockSize, dtype);
        var qkv = OnDevice(Random(1, dtype, Tokens, heads + (2 * kvHeads), headDim));
        var weights = OnDevice(Random(2, dtype, 2, headDim));
        var slots = Enumerable.Range(0, Blocks * blockSize).ToArray();
        new Random(3).Shuffle(slots);
        slots = [.. slots.Take(Tokens)];
        slots[5] = slots[36] = -1;
        var positions = Random(4, ScalarType.Float32, Tokens).add(1.5).mul(2000).to(ScalarType.Int64).cuda();
        using var rotary = new RotaryEmbedding(new RopeSettings { Theta = 1e4 }, headDim, dtype, CUDA);
        var angles = rotary.AnglesOf(positions);
        var packedAngles = stack(
            [angles.Cos.view(Tokens, headDim)[.., ..(headDim / 2)], angles.SignedSin.view(Tokens, headDim)[.., (headDim / 2)..]],
            -1).to(ScalarType.Float32).contiguous();
        var query = Poisoned(dtype, Tokens, heads, headDim);
        var keys = Poisoned(dtype, Blocks, kvHeads, blockSize, headDim);
        var values = Poisoned(dtype, Blocks, kvHeads, blockSize, headDim);
        var deviceSlots = OnDevice(slots);

        Kernels(shape).WriteKv.Launch(
            Stream, At(qkv), hasNorm ? At(weights) : 0, new PreparedTokens(0, 0, At(deviceSlots), At(packedAngles)),
            At(query), At(keys), At(values), Tokens, 1e-6f);

        var rotating = qkv.narrow(1, 0, heads + kvHeads);
        if (hasNorm)
        {
            using var norm = new RootMeanSquare(headDim, 1e-6, dtype, CUDA);
            var ofHead = Enumerable.Range(0, heads + kvHeads).Select(head => head < heads ? 0L : 1).ToArray();
            rotating = norm.Normalize(rotating).mul(weights.index_select(0, tensor(ofHead, device: CUDA)));
        }

        var rotated = rotary.Rotate(rotating, angles);
        var tolerance = dtype == ScalarType.BFloat16 ? 3e-4 : 1e-6;
        Assert.InRange(Error(Read(query), Read(rotated.narrow(1, 0, heads))), 0, tolerance);
        AssertSlots(Read(keys), Read(rotated.narrow(1, heads, kvHeads)), slots, blockSize, tolerance);
        AssertSlots(Read(values), Read(qkv.narrow(1, heads + kvHeads, kvHeads)), slots, blockSize, 0);
    }

    // Every token's heads at its slot, and nothing anywhere else.
    private static void AssertSlots(Tensor cache, Tensor expected, int[] slots, int blockSize, double tolerance)
    {
        var bySlot = cache.transpose(1, 2).reshape(-1, cache.size(1), cache.size(3)); // [slots, kv_heads, head_dim]
        var written = slots.Where(slot => slot >= 0).Select(slot => (long)slot).ToArray();
        var rows = Enumerable.Range(0, slots.Length).Where(i => slots[i] >= 0).Select(i => (long)i).ToArray();
        Assert.InRange(Error(bySlot.index_select(0, tensor(written)), expected.index_select(0, tensor(rows))), 0, tolerance);
        var left = cache.isnan().logical_not().sum().ToInt64();
        Assert.Equal(written.Length * cache.size(1) * cache.size(3), left);
        Assert.Equal(blockSize, cache.size(2));
    }
}
