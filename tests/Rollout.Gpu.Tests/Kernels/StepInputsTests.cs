using System.Runtime.InteropServices;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Kernels;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Kernels;

public sealed class StepInputsTests
{
    private static readonly KernelShape Shape = new(128, 16, 8, 16, ScalarType.BFloat16);

    [Fact]
    public void Places_are_aligned_in_order_and_far_enough_apart()
    {
        var layout = new StepInputs(new StepCapacity(70, 9, 11, 3, 101, 5), Shape);

        (int Start, int Ints)[] places =
        [
            (layout.Counts, StepInputs.CountInts), (layout.TokenIds, 70), (layout.QueryStart, 10),
            (layout.ContextLengths, 9), (layout.TableStart, 10), (layout.LogitTokens, 11),
            (layout.Draws, 11 * StepInputs.DrawInts), (layout.CopyPairs, 6), (layout.PartStart, 6),
            (layout.Segments, layout.MaxSegments * AttentionSegment.Ints),
            (layout.SharedTokens, layout.MaxSharedTokens), (layout.MergeStart, 71),
            (layout.MergeEntries, layout.MaxMergeEntries), (layout.BlockTables, 101), (layout.Ints, 0),
        ];
        Assert.All(places, place => Assert.Equal(0, place.Start % 4));
        Assert.All(places.Zip(places.Skip(1)), pair => Assert.True(pair.First.Start + pair.First.Ints <= pair.Second.Start));
    }

    [Fact]
    public void A_segment_has_the_size_that_kernels_read() =>
        Assert.Equal(AttentionSegment.Ints * sizeof(int), Marshal.SizeOf<AttentionSegment>());

    [Fact]
    public void A_step_is_written_where_the_layout_says()
    {
        var batch = Batch();
        var layout = new StepInputs(new StepCapacity(8, 4, 6, 2, 40, 3), Shape);
        var buffer = new int[layout.Ints];
        Array.Fill(buffer, int.MinValue);
        var schedule = new AttentionSchedule(Shape, parts: 3);
        var builder = new StepInputsBuilder(schedule);

        var used = builder.Write(batch, layout, buffer);

        Assert.Equal([5, 3, 3, 2, 1], buffer[layout.Counts..][..5]);
        Assert.Equal([~1, 7, 8, 9, ~0], buffer[layout.TokenIds..][..5]);
        Assert.Equal([0, 1, 4, 5], buffer[layout.QueryStart..][..4]);
        Assert.Equal([20, 3, 40], buffer[layout.ContextLengths..][..3]);
        Assert.Equal([0, 2, 3, 6], buffer[layout.TableStart..][..4]);
        Assert.Equal([5, 4, 9, 1, 2, 3], buffer[layout.BlockTables..used]);
        Assert.Equal([6, 8], buffer[layout.CopyPairs..][..2]);
        Assert.Equal(schedule.PartStart.ToArray(), buffer[layout.PartStart..][..4]);
        Assert.Equal(schedule.Segments.Length, buffer[layout.PartStart + 3]);
        Assert.Equal(2, builder.LogitCount);
    }

    [Fact]
    public void Draws_of_one_row_share_a_row_of_logits()
    {
        var layout = new StepInputs(new StepCapacity(8, 4, 6, 2, 40, 3), Shape);
        var buffer = new int[layout.Ints];

        new StepInputsBuilder(new AttentionSchedule(Shape, parts: 3)).Write(Batch(), layout, buffer);

        Assert.Equal([3, 4, -1, -1, -1, -1], buffer[layout.LogitTokens..][..6]);
        var draws = buffer[layout.Draws..].Chunk(StepInputs.DrawInts).Take(3).ToArray();
        Assert.Equal([0, 0, 1], draws.Select(draw => draw[0]));
        Assert.Equal([3, 3, 40], draws.Select(draw => draw[1]));
        Assert.Equal([0x11223344u, 0x55667788u], draws[2][2..4].Select(word => (uint)word));
        Assert.Equal(
            (0.5f, 7, 0.9f, 0.1f),
            (BitConverter.Int32BitsToSingle(draws[2][4]), draws[2][5], BitConverter.Int32BitsToSingle(draws[2][6]),
                BitConverter.Int32BitsToSingle(draws[2][7])));
    }

    [Fact]
    public void A_temperature_below_1e_5_reaches_the_kernel_as_0()
    {
        var layout = new StepInputs(new StepCapacity(8, 4, 6, 2, 40, 3), Shape);
        var buffer = new int[layout.Ints];
        var batch = Batch();
        foreach (ref var draw in batch.Draws.AsSpan())
            draw = draw with { Sampling = draw.Sampling with { Temperature = 1e-6f } };

        new StepInputsBuilder(new AttentionSchedule(Shape, parts: 3)).Write(batch, layout, buffer);

        var draws = buffer[layout.Draws..].Chunk(StepInputs.DrawInts).Take(3);
        Assert.All(draws, draw => Assert.Equal(0f, BitConverter.Int32BitsToSingle(draw[4])));
    }

    [Theory]
    [InlineData(4, 4, 6, 2, 40)]
    [InlineData(8, 2, 6, 2, 40)]
    [InlineData(8, 4, 2, 2, 40)]
    [InlineData(8, 4, 6, 0, 40)]
    [InlineData(8, 4, 6, 2, 5)]
    public void A_step_beyond_the_capacity_is_refused(int tokens, int rows, int draws, int copies, int entries)
    {
        var layout = new StepInputs(new StepCapacity(tokens, rows, draws, copies, entries, 3), Shape);
        var builder = new StepInputsBuilder(new AttentionSchedule(Shape, parts: 3));

        Assert.Throws<ArgumentException>(() => builder.Write(Batch(), layout, new int[layout.Ints]));
    }

    [Fact]
    public void A_row_whose_block_table_is_too_short_is_refused()
    {
        var batch = Batch();
        batch.ContextLengths[1] = 17;
        var layout = new StepInputs(new StepCapacity(8, 4, 6, 2, 40, 3), Shape);
        var builder = new StepInputsBuilder(new AttentionSchedule(Shape, parts: 3));

        Assert.Throws<ArgumentException>(() => builder.Write(batch, layout, new int[layout.Ints]));
    }

    // A decode row without a draw, a prompt of 3 with two samples, and a decode row with one.
    private static ForwardBatch Batch()
    {
        var plain = new SamplingParams { MaxTokens = 4 };
        var batch = new ForwardBatch
        {
            TokenCount = 5,
            RowCount = 3,
            DrawCount = 3,
            TokenIds = [~1, 7, 8, 9, ~0],
            QueryStart = [0, 1, 4, 5],
            ContextLengths = [20, 3, 40],
            BlockTableStart = [0, 2, 3, 6],
            BlockTables = [5, 4, 9, 1, 2, 3],
            Draws =
            [
                new Draw(1, 3, 1, plain), new Draw(1, 3, 2, plain),
                new Draw(2, 40, 0x5566778811223344, plain with { Temperature = 0.5f, TopK = 7, TopP = 0.9f, MinP = 0.1f }),
            ],
        };
        batch.Copies.Add(new BlockCopy(new BlockId(6), new BlockId(8)));
        return batch;
    }
}
