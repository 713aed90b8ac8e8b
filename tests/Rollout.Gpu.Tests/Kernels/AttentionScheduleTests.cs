using FsCheck;
using FsCheck.Fluent;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Kernels;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Kernels;

public sealed class AttentionScheduleTests
{
    private static readonly KernelShape Qwen = new(128, 16, 8, 16, ScalarType.BFloat16);

    [Fact]
    public void Every_query_meets_every_key_of_its_context_exactly_once() =>
        Prop.ForAll(Cases().ToArbitrary(), test =>
        {
            var (batch, schedule) = Build(test);
            var seen = new Dictionary<(int Token, int Block, int Offset), int>();
            foreach (var segment in schedule.Segments)
            {
                Assert.True(segment.KeyStart < segment.KeyEnd && segment.TokenCount <= test.Shape.TokensPerItem);
                for (var i = 0; i < segment.TokenCount; i++)
                {
                    var token = TokenOf(schedule, segment, i);
                    for (var key = segment.KeyStart; key < Math.Min(segment.KeyEnd, PositionOf(batch, token) + 1); key++)
                    {
                        var block = batch.BlockTables[segment.Table + (key / test.BlockSize)];
                        var at = (token, block, key % test.BlockSize);
                        seen[at] = seen.GetValueOrDefault(at) + 1;
                    }
                }
            }

            var expected = new HashSet<(int, int, int)>();
            for (var token = 0; token < batch.TokenCount; token++)
            {
                var table = batch.BlockTableStart[RowOf(batch, token)];
                for (var key = 0; key <= PositionOf(batch, token); key++)
                    expected.Add((token, batch.BlockTables[table + (key / test.BlockSize)], key % test.BlockSize));
            }

            Assert.All(seen.Values, count => Assert.Equal(1, count));
            Assert.True(expected.SetEquals(seen.Keys), $"{test}");
        }).Holds(runs: 150);

    [Fact]
    public void A_token_is_merged_from_all_its_segments_or_written_by_one() =>
        Prop.ForAll(Cases().ToArbitrary(), test =>
        {
            var (batch, schedule) = Build(test);
            var partial = new List<int>[batch.TokenCount];
            var direct = new int[batch.TokenCount];
            Array.Fill(partial, null);
            foreach (var segment in schedule.Segments)
            {
                for (var i = 0; i < segment.TokenCount; i++)
                {
                    var token = TokenOf(schedule, segment, i);
                    if (segment.Partial < 0)
                        direct[token]++;
                    else
                        (partial[token] ??= []).Add(segment.Partial + (i * test.Shape.QueriesPerKvHead));
                }
            }

            var taken = new HashSet<int>();
            for (var token = 0; token < batch.TokenCount; token++)
            {
                var entries = schedule.MergeEntries[schedule.MergeStart[token]..schedule.MergeStart[token + 1]];
                Assert.Equal(partial[token] ?? [], entries.ToArray());
                Assert.Equal(entries.Length == 0 ? 1 : 0, direct[token]);
                foreach (var entry in entries)
                {
                    for (var head = 0; head < test.Shape.QueriesPerKvHead; head++)
                        Assert.True(taken.Add(entry + head) && entry + head < schedule.PartialVectors);
                }
            }
        }).Holds(runs: 150);

    [Fact]
    public void Every_schedule_fits_the_layout_of_its_batch() =>
        Prop.ForAll(Cases().ToArbitrary(), test =>
        {
            var (batch, schedule) = Build(test);
            var layout = new StepInputs(
                new StepCapacity(batch.TokenCount, batch.RowCount, 1, 1, batch.BlockTables.Length, test.Parts),
                test.Shape);
            Assert.True(schedule.Segments.Length <= layout.MaxSegments);
            Assert.True(schedule.SharedTokens.Length <= layout.MaxSharedTokens);
            Assert.True(schedule.MergeEntries.Length <= layout.MaxMergeEntries);
            Assert.True(schedule.PartialVectors <= layout.MaxPartialVectors);
            Assert.Equal(test.Parts + 1, schedule.PartStart.Length);
            Assert.Equal(schedule.Segments.Length, schedule.PartStart[^1]);
        }).Holds(runs: 150);

    [Theory]
    [InlineData(256, 200, 1600)]
    [InlineData(64, 1, 4000)]
    [InlineData(7, 5000, 9000)]
    public void Parts_of_a_large_batch_are_equal_within_a_few_tiles(int rows, int shortest, int longest)
    {
        var random = new Random(3);
        var schedule = new AttentionSchedule(Qwen, parts: 33);
        schedule.Build(PrefixFamilies.Of(
            [.. Enumerable.Range(0, rows).Select(_ => new PrefixFamilies.Row(random.Next(shortest, longest + 1), 1))],
            16, random, out _));

        var tiles = Enumerable.Range(0, 33).Select(part => TilesOf(schedule, part)).ToArray();
        var segments = Enumerable.Range(0, 33)
            .Select(part => schedule.PartStart[part + 1] - schedule.PartStart[part]).ToArray();
        var costs = tiles.Zip(segments, (tile, segment) => tile + segment).ToArray();
        Assert.InRange(costs.Max() - costs.Average(), 0, 5);
    }

    [Fact]
    public void Samples_of_a_group_read_their_prompt_together_and_the_rest_alone()
    {
        var random = new Random(4);
        var rows = Enumerable.Range(0, 32 * 16)
            .Select(i => new PrefixFamilies.Row(512 + 1 + random.Next(300), 1, Family: i / 16, Shared: 512)).ToArray();
        random.Shuffle(rows);
        var schedule = new AttentionSchedule(Qwen, parts: 33);

        schedule.Build(PrefixFamilies.Of(rows, 16, random, out _));

        var shared = schedule.Segments.ToArray().Where(segment => segment.Tokens < 0).ToArray();
        Assert.Equal(32 * 512, shared.Sum(segment => segment.KeyEnd - segment.KeyStart));
        Assert.All(shared, segment => Assert.True(segment.TokenCount == 16 && segment.KeyEnd <= 512));
        var own = schedule.Segments.ToArray().Where(segment => segment.Tokens >= 0).ToArray();
        Assert.Equal(rows.Sum(row => row.Context - 512), own.Sum(segment => segment.KeyEnd - segment.KeyStart));
        Assert.All(own, segment => Assert.True(segment.KeyStart >= 512));
    }

    [Fact]
    public void A_common_system_prompt_and_each_groups_prompt_are_read_once()
    {
        var random = new Random(5);
        var rows = Enumerable.Range(0, 12).Select(i => new PrefixFamilies.Row(1000 + i, 1, Family: i / 4, Shared: 800))
            .ToArray();
        var batch = PrefixFamilies.Of(rows, 16, random, out _);
        // The three families' first 20 blocks become the first one's.
        for (var row = 4; row < 12; row++)
            batch.BlockTables.AsSpan(0, 20).CopyTo(batch.BlockTables.AsSpan(batch.BlockTableStart[row]));
        var schedule = new AttentionSchedule(Qwen, parts: 1);

        schedule.Build(batch);

        var shared = schedule.Segments.ToArray().Where(segment => segment.Tokens < 0)
            .Select(segment => (segment.TokenCount, segment.KeyStart, segment.KeyEnd)).Order().ToArray();
        Assert.Equal([(4, 320, 800), (4, 320, 800), (4, 320, 800), (12, 0, 320)], shared);
    }

    [Fact]
    public void Sharing_can_be_turned_off()
    {
        var batch = PrefixFamilies.Of(
            [.. Enumerable.Range(0, 8).Select(_ => new PrefixFamilies.Row(500, 1, Shared: 400))], 16, new Random(6), out _);
        var schedule = new AttentionSchedule(Qwen, parts: 1, shareGroups: false);

        schedule.Build(batch);

        Assert.Equal(0, schedule.SharedTokens.Length);
        Assert.All(
            schedule.Segments.ToArray(),
            segment => Assert.Equal((0, 500, -1), (segment.KeyStart, segment.KeyEnd, segment.Partial)));
    }

    [Fact]
    public void An_empty_batch_leaves_every_part_empty()
    {
        var schedule = new AttentionSchedule(Qwen, parts: 3);
        schedule.Build(PrefixFamilies.Of([new PrefixFamilies.Row(70, 1)], 16, new Random(1), out _));

        schedule.Build(PrefixFamilies.Of([], 16, new Random(1), out _));

        Assert.Equal([0, 0, 0, 0], schedule.PartStart.ToArray());
        Assert.Equal([0], schedule.MergeStart.ToArray());
    }

    private sealed record Case(KernelShape Shape, int BlockSize, int Parts, PrefixFamilies.Row[] Rows, int Seed);

    private static Gen<Case> Cases() =>
        from kvHeads in Gen.Choose(1, 4)
        from queries in Gen.Elements(1, 2, 3, 4, 8, 16, 40, 64)
        from blockSize in Gen.Elements(1, 3, 16, 64)
        from parts in Gen.Choose(1, 9)
        from rows in Gen.ListOf(RowsOf())
        from seed in Gen.Choose(0, 1 << 20)
        select new Case(
            new KernelShape(8, kvHeads * queries, kvHeads, blockSize, ScalarType.BFloat16), blockSize, parts,
            [.. rows.Take(12)], seed);

    private static Gen<PrefixFamilies.Row> RowsOf() =>
        from context in Gen.OneOf(Gen.Choose(1, 5), Gen.Choose(1, 400), Gen.Elements(64, 65, 128, 129))
        from tokens in Gen.OneOf(Gen.Constant(1), Gen.Constant(1), Gen.Choose(1, context))
        from family in Gen.Choose(0, 2)
        from shared in Gen.Elements(0, 64, 130, 400)
        select new PrefixFamilies.Row(context, tokens, family, shared);

    private static (ForwardBatch Batch, AttentionSchedule Schedule) Build(Case test)
    {
        var batch = PrefixFamilies.Of(test.Rows, test.BlockSize, new Random(test.Seed), out _);
        var schedule = new AttentionSchedule(test.Shape, test.Parts);
        schedule.Build(batch);
        return (batch, schedule);
    }

    private static int TilesOf(AttentionSchedule schedule, int part)
    {
        var tiles = 0;
        foreach (var segment in schedule.Segments[schedule.PartStart[part]..schedule.PartStart[part + 1]])
            tiles += segment.Tiles;
        return tiles;
    }

    private static int TokenOf(AttentionSchedule schedule, AttentionSegment segment, int index) =>
        segment.Tokens >= 0 ? segment.Tokens + index : schedule.SharedTokens[~segment.Tokens + index];

    private static int RowOf(ForwardBatch batch, int token)
    {
        var row = 0;
        while (batch.QueryStart[row + 1] <= token)
            row++;
        return row;
    }

    private static int PositionOf(ForwardBatch batch, int token)
    {
        var row = RowOf(batch, token);
        return batch.ContextLengths[row] - (batch.QueryStart[row + 1] - token);
    }
}
