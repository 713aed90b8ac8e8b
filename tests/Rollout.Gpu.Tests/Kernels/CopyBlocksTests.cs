using Rollout.Gpu.Contracts;
using Rollout.Gpu.Kernels;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Kernels;

[Collection(GpuTests.Name)]
public sealed class CopyBlocksTests(GpuFixture gpu) : GpuTest(gpu)
{
    [Theory]
    [InlineData(128, 8, 16, 40, ScalarType.BFloat16)]
    [InlineData(8, 1, 3, 7, ScalarType.BFloat16)]
    [InlineData(8, 2, 1, 0, ScalarType.BFloat16)]
    [InlineData(64, 2, 16, 600, ScalarType.Float32)]
    public void Blocks_of_all_layers_are_copied_and_every_source_is_read_first(
        int headDim, int kvHeads, int blockSize, int copies, ScalarType dtype)
    {
        const int Layers = 3;
        var blocks = Math.Max(8, 2 * copies);
        var shape = new KernelShape(headDim, kvHeads, kvHeads, blockSize, dtype);
        var cache = Random(1, dtype, Layers, 2, blocks, kvHeads, blockSize, headDim);
        var device = OnDevice(cache);
        var random = new Random(2);
        var order = Enumerable.Range(0, blocks).ToArray();
        random.Shuffle(order);
        var batch = PrefixFamilies.Of([], blockSize, random, out _);
        // Sources are any blocks, other copies' destinations included: chains, and two blocks that change places.
        for (var i = 0; i < copies; i++)
        {
            var source = i < 2 ? order[1 - i] : random.Next(blocks);
            batch.Copies.Add(new BlockCopy(new BlockId(source), new BlockId(order[i])));
        }

        var kernels = Kernels(shape);
        var layout = new StepInputs(new StepCapacity(1, 1, 1, copies, 1, kernels.Attention.Parts), shape);
        var buffer = new int[layout.Ints];
        new StepInputsBuilder(new AttentionSchedule(shape, kernels.Attention.Parts)).Write(batch, layout, buffer);
        var inputs = Upload(buffer);
        kernels.Copy.Launch(
            Stream, layout, At(inputs), At(device), new KvCacheGeometry(blocks, blockSize), Layers, copies);

        var expected = cache.clone();
        foreach (var copy in batch.Copies)
            expected.select(2, copy.Destination.Value).copy_(cache.select(2, copy.Source.Value));
        Assert.True(Read(device).equal(expected.to(ScalarType.Float32)).all().ToBoolean());
    }
}
