using Rollout.Gpu.Contracts;
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
    [InlineData(37, 128, 16, 8, 16, true, ScalarType.BFloat16)]
    [InlineData(37, 64, 8, 8, 1, false, ScalarType.BFloat16)]
    [InlineData(37, 72, 6, 3, 5, true, ScalarType.BFloat16)]
    [InlineData(37, 256, 8, 1, 32, true, ScalarType.BFloat16)]
    [InlineData(37, 8, 8, 4, 3, true, ScalarType.Float32)]
    [InlineData(37, 128, 5, 5, 16, false, ScalarType.Float32)]
    [InlineData(1, 128, 16, 8, 16, true, ScalarType.BFloat16)]
    [InlineData(1, 72, 6, 3, 5, false, ScalarType.Float32)]
    [InlineData(0, 128, 16, 8, 16, true, ScalarType.BFloat16)]
    public void Queries_keys_and_values_equal_the_models_and_lie_at_their_slots(
        int tokens, int headDim, int heads, int kvHeads, int blockSize, bool hasNorm, ScalarType dtype)
    {
        const int Blocks = 50;
        var room = tokens + 2; // NaN, not to be read or written
        var shape = new KernelShape(headDim, heads, kvHeads, blockSize, dtype);
        var qkv = cat([OnDevice(Random(1, dtype, tokens, heads + (2 * kvHeads), headDim)),
            Poisoned(dtype, 2, heads + (2 * kvHeads), headDim)]);
        var weights = OnDevice(Random(2, dtype, 2, headDim));
        var slots = Enumerable.Range(0, Blocks * blockSize).ToArray();
        new Random(3).Shuffle(slots);
        slots = [.. slots.Take(tokens)];
        if (tokens > 36)
            slots[5] = slots[36] = -1;
        var positions = Random(4, ScalarType.Float32, room).add(1.5).mul(2000).to(ScalarType.Int64).cuda();
        using var rotary = new RotaryEmbedding(new RopeSettings { Theta = 1e4 }, headDim, dtype, CUDA);
        var angles = rotary.AnglesOf(positions);
        var packedAngles = stack(
            [angles.Cos.view(room, headDim)[.., ..(headDim / 2)], angles.SignedSin.view(room, headDim)[.., (headDim / 2)..]],
            -1).to(ScalarType.Float32).contiguous();
        var query = Poisoned(dtype, room, heads, headDim);
        var keys = Poisoned(dtype, Blocks, kvHeads, blockSize, headDim);
        var values = Poisoned(dtype, Blocks, kvHeads, blockSize, headDim);
        var deviceSlots = OnDevice([.. slots, 0, 1]);

        Kernels(shape).WriteKv.Launch(
            Stream, At(qkv), hasNorm ? At(weights) : 0, new PreparedTokens(0, 0, At(deviceSlots), At(packedAngles)),
            At(query), At(keys), At(values), tokens, 1e-6f);

        Assert.True(Read(query.narrow(0, tokens, 2)).isnan().all().ToBoolean());
        if (tokens == 0)
        {
            Assert.True(Read(keys).isnan().all().ToBoolean() && Read(values).isnan().all().ToBoolean());
            return;
        }

        qkv = qkv.narrow(0, 0, tokens);
        var rotating = qkv.narrow(1, 0, heads + kvHeads);
        if (hasNorm)
        {
            using var norm = new RootMeanSquare(headDim, 1e-6, dtype, CUDA);
            var ofHead = Enumerable.Range(0, heads + kvHeads).Select(head => head < heads ? 0L : 1).ToArray();
            rotating = norm.Normalize(rotating).mul(weights.index_select(0, tensor(ofHead, device: CUDA)));
        }

        var rotated = rotary.Rotate(rotating, rotary.AnglesOf(positions.narrow(0, 0, tokens)));
        var tolerance = dtype == ScalarType.BFloat16 ? 3e-4 : 1e-6;
        Assert.InRange(Error(Read(query.narrow(0, 0, tokens)), Read(rotated.narrow(1, 0, heads))), 0, tolerance);
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
