using FsCheck.Fluent;
using Rollout.Gpu.Cache;
using Rollout.Gpu.Contracts;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Cache;

/// <summary>How large a GPU's pool becomes; needs no GPU.</summary>
public sealed class CudaKvPoolTests
{
    private static readonly KvCacheShape Shape = new(LayerCount: 28, HeadCount: 16, KvHeadCount: 8, HeadDim: 128);
    private static readonly long TokenBytes = Shape.BytesPerToken(elementBytes: 2);

    [Theory]
    [InlineData(1040, 65)]       // one sequence of the longest length
    [InlineData(2015, 125)]      // whole blocks
    [InlineData(100_000, 1040)]  // twice eight such sequences, and no more
    public void The_pool_has_as_many_blocks_as_fit_and_are_useful(long tokens, int blocks) =>
        Assert.Equal(new KvCacheGeometry(blocks, 16), Fitting(tokens * TokenBytes));

    [Fact]
    public void A_pool_holds_the_longest_sequence_or_is_refused() =>
        Prop.ForAll(
            Gen.Choose(-10, 3_000_000).ToArbitrary(), Gen.Choose(1, 70).ToArbitrary(), Gen.Choose(1, 5000).ToArbitrary(),
            (tokens, blockSize, longest) =>
            {
                var perSequence = (longest + blockSize - 1) / blockSize;
                var fits = tokens >= (long)perSequence * blockSize;
                try
                {
                    var pool = CudaKvPool.Fitting(Shape, ScalarType.BFloat16, blockSize, tokens * TokenBytes, 8, longest);
                    return fits && pool.BlockCount >= perSequence
                        && pool.BlockCount <= Math.Min((long)tokens / blockSize, 16L * perSequence);
                }
                catch (DeviceFaultException)
                {
                    return !fits;
                }
            }).Holds();

    [Fact]
    public void Too_little_memory_is_reported_with_the_bytes_and_the_settings_to_change()
    {
        var error = Assert.Throws<DeviceFaultException>(() => Fitting(1_000_000));

        Assert.Equal(
            "Too little memory on the device: 1000000 bytes are left for the KV pool, and a sequence of 1040 tokens needs "
            + $"{1040 * TokenBytes}. Set a lower rollout.decoder.max-model-len or a higher "
            + "rollout.blocks.gpu-memory-utilization.",
            error.Message);
    }

    private static KvCacheGeometry Fitting(long bytes) =>
        CudaKvPool.Fitting(Shape, ScalarType.BFloat16, blockSize: 16, bytes, sequences: 8, longest: 1040);
}
