using FsCheck;
using FsCheck.Fluent;
using Rollout.Gpu.Cache;
using Rollout.Gpu.Contracts;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Cache;

public sealed class KvCacheAttentionTests
{
    [Fact]
    public void Paged_attention_is_softmax_over_each_rows_own_context() =>
        Prop.ForAll(Cases().ToArbitrary(), test =>
        {
            using var scope = NewDisposeScope();
            var needed = test.Rows.Sum(row => (row.Context + test.BlockSize - 1) / test.BlockSize);
            var geometry = new KvCacheGeometry(needed + 2, test.BlockSize);
            using var cache = new PagedKvCache(test.Shape, geometry, ScalarType.Float32, CPU, threads: 2);
            using Scalar poison = float.NaN;
            cache.Storage.fill_(poison);
            AssertAttends(cache, test);
        }).Holds(runs: 80);

    [Fact]
    public void Contiguous_attention_is_softmax_over_each_rows_own_context() =>
        Prop.ForAll(Cases().ToArbitrary(), test =>
        {
            using var scope = NewDisposeScope();
            test = test with { BlockSize = test.Rows.Max(row => row.Context) + 3 };
            using var cache = new ContiguousKvCache(
                test.Shape, new KvCacheGeometry(test.Rows.Length + 1, test.BlockSize), ScalarType.Float32, CPU);
            AssertAttends(cache, test);
        }).Holds(runs: 40);

    [Fact]
    public void Two_threads_give_the_same_bits_as_one()
    {
        using var scope = NewDisposeScope();
        var shape = new KvCacheShape(1, 6, 3, 40);
        (int, int)[] rows = [(1000, 1), (1, 1), (700, 700), (300, 17), (64, 64), (2, 1), (999, 3)];
        var query = Random(786 + 1, [rows.Sum(row => row.Item2), 6, 40]);
        var results = new List<float[]>();
        foreach (var (threads, blockSize) in ((int, int)[])[(1, 16), (2, 16), (2, 7), (1, 1)])
        {
            var geometry = new KvCacheGeometry(8000, blockSize);
            using var cache = new PagedKvCache(shape, geometry, ScalarType.Float32, CPU, threads);
            results.Add(Run(cache, new Case(shape, blockSize, rows, Seed: 5), query).data<float>().ToArray());
        }

        Assert.All(results, result => Assert.Equal(results[0], result));
    }

    [Fact]
    public void A_chunk_after_a_cached_prefix_gives_the_bits_of_the_whole_prompt()
    {
        using var scope = NewDisposeScope();
        var shape = new KvCacheShape(1, 4, 2, 16);
        var query = Random(1, [50, 4, 16]);
        var (key, value) = (Random(2, [50, 2, 16]), Random(3, [50, 2, 16]));
        float[] Chunked(params int[] ends)
        {
            using var cache = new PagedKvCache(shape, new KvCacheGeometry(16, 4), ScalarType.Float32, CPU, 1);
            var blocks = RaggedBatch.Place([(50, 50)], cache.Geometry, new Random(9))[0].Blocks;
            var parts = new List<Tensor>();
            for (var (from, i) = (0, 0); i < ends.Length; from = ends[i++])
            {
                var count = ends[i] - from;
                var attention = cache.Bind(RaggedBatch.Of([new RaggedRow(ends[i], count, blocks)], 4));
                parts.Add(attention.Attend(
                    0, query.narrow(0, from, count), key.narrow(0, from, count), value.narrow(0, from, count)));
            }

            return [.. cat(parts).data<float>()];
        }

        Assert.Equal(Chunked(50), Chunked(1, 2, 17, 49, 50));
    }

    [Fact]
    public void Copies_read_all_sources_before_any_destination_is_written()
    {
        using var cache = new PagedKvCache(
            new KvCacheShape(2, 1, 1, 3), new KvCacheGeometry(5, 2), ScalarType.Float32, CPU, 1);
        using var before = Random(4, cache.Storage.shape);
        cache.Storage.copy_(before);
        cache.CopyBlocks([Copy(0, 1), Copy(1, 2), Copy(2, 0), Copy(0, 4)]);
        long[] sources = [2, 0, 1, 3, 0];
        using var expected = before.index_select(2, tensor(sources));
        Assert.True(cache.Storage.equal(expected).all().ToBoolean());
        static BlockCopy Copy(int from, int to) => new(new BlockId(from), new BlockId(to));
    }

    [Fact]
    public void A_batch_that_points_outside_of_the_pool_is_refused_before_memory_is_touched()
    {
        using var cache = new PagedKvCache(
            new KvCacheShape(1, 1, 1, 4), new KvCacheGeometry(4, 2), ScalarType.Float32, CPU, 1);
        Assert.Throws<ArgumentException>(() => cache.Bind(RaggedBatch.Of([new RaggedRow(3, 1, [0, 4])], 2)));
        Assert.Throws<ArgumentException>(() => cache.Bind(RaggedBatch.Of([new RaggedRow(3, 1, [0, -1])], 2)));
        var short_ = RaggedBatch.Of([new RaggedRow(3, 1, [0, 1])], 2);
        short_.ContextLengths[0] = 5;
        Assert.Throws<ArgumentException>(() => cache.Bind(short_));
        var slot = RaggedBatch.Of([new RaggedRow(3, 1, [0, 1])], 2);
        slot.SlotMapping[0] = 8;
        Assert.Throws<ArgumentException>(() => cache.Bind(slot));
    }

    [Fact]
    public void A_byte_budget_gives_as_many_blocks_as_fit_and_at_least_one()
    {
        var shape = new KvCacheShape(LayerCount: 3, HeadCount: 8, KvHeadCount: 2, HeadDim: 16);
        Assert.Equal(2 * 3 * 2 * 16 * 4, shape.BytesPerToken(elementBytes: 4));
        Assert.Equal(new KvCacheGeometry(5, 8), shape.Geometry(elementBytes: 4, 8, (768 * 8 * 6) - 1));
        var error = Assert.Throws<ArgumentException>(() => shape.Geometry(elementBytes: 4, 8, 6000));
        Assert.Equal("6000 bytes of KV cache hold no block: one of 8 tokens takes 6144 bytes.", error.Message);
    }

    internal sealed record Case(KvCacheShape Shape, int BlockSize, (int Context, int Tokens)[] Rows, int Seed);

    private static Gen<Case> Cases() =>
        from kvHeads in Gen.Choose(1, 3)
        from share in Gen.Choose(1, 5)
        from headDim in Gen.Elements(1, 4, 7, 8, 12, 20, 33, 64, 80)
        from blockSize in Gen.Elements(1, 3, 4, 16, 32)
        from seed in Gen.Choose(0, int.MaxValue)
        from rows in
            (from context in Gen.Frequency((3, Gen.Choose(1, 40)), (1, Gen.Choose(60, 200)))
             from tokens in Gen.Frequency(
                 (2, Gen.Constant(1)), (1, Gen.Choose(1, context)), (1, Gen.Constant(context)))
             select (context, tokens)).NonEmptyListOf()
        let shape = new KvCacheShape(2, kvHeads * share, kvHeads, headDim)
        select new Case(shape, blockSize, [.. rows.Take(9)], seed);

    // Fills the contexts' earlier part through the cache itself, as an engine would, then attends the last
    // tokens.
    private static void AssertAttends(IKvCache cache, Case test)
    {
        var queries = test.Rows.Sum(row => row.Tokens);
        var query = Random(test.Seed + 7, [queries, test.Shape.HeadCount, test.Shape.HeadDim]);
        var actual = Run(cache, test, query);
        var start = 0;
        for (var row = 0; row < test.Rows.Length; row++)
        {
            var (context, tokens) = test.Rows[row];
            var (key, value) = Context(test, row);
            var expected = Reference(query.narrow(0, start, tokens), key, value);
            var difference = (actual.narrow(0, start, tokens) - expected).abs().max().ToDouble();
            Assert.True(difference < 2e-5, $"row {row} of {test} is off by {difference}");
            start += tokens;
        }
    }

    private static Tensor Run(IKvCache cache, Case test, Tensor query)
    {
        var rows = RaggedBatch.Place(test.Rows, cache.Geometry, new Random(test.Seed));
        var past = rows.Where(row => row.Context > row.Tokens)
            .Select(row => new RaggedRow(row.Context - row.Tokens, row.Context - row.Tokens, row.Blocks)).ToArray();
        var layer = test.Shape.LayerCount - 1;
        Tensor Of(bool values, bool before) => cat([.. Enumerable.Range(0, rows.Length).Select(row =>
        {
            var (key, value) = Context(test, row);
            var unseen = rows[row].Context - rows[row].Tokens;
            return (values ? value : key).narrow(0, before ? 0 : unseen, before ? unseen : rows[row].Tokens);
        })]);

        if (past.Length > 0)
        {
            var tokens = past.Sum(row => row.Tokens);
            cache.Bind(RaggedBatch.Of(past, cache.Geometry.BlockSize)).Attend(
                layer, zeros([tokens, test.Shape.HeadCount, test.Shape.HeadDim]),
                Of(false, true), Of(true, true));
        }

        return cache.Bind(RaggedBatch.Of(rows, cache.Geometry.BlockSize))
            .Attend(layer, query, Of(false, false), Of(true, false));
    }

    // [context, kv_heads, head_dim], keys and values as strided views, as a model's projection gives them.
    private static (Tensor Key, Tensor Value) Context(Case test, int row)
    {
        var heads = test.Shape.KvHeadCount;
        var both = Random(test.Seed + (31 * row), [test.Rows[row].Context, 2 * heads, test.Shape.HeadDim]);
        return (both.narrow(1, 0, heads), both.narrow(1, heads, heads));
    }

    // Softmax attention in double: query [tokens, heads, d], key and value [context, kv_heads, d] → [tokens,
    // heads, d].
    private static Tensor Reference(Tensor query, Tensor key, Tensor value)
    {
        var (tokens, context, share) = (query.shape[0], key.shape[0], query.shape[1] / key.shape[1]);
        var q = query.to(ScalarType.Float64).transpose(0, 1);
        var k = key.to(ScalarType.Float64).repeat_interleave(share, 1).transpose(0, 1);
        var v = value.to(ScalarType.Float64).repeat_interleave(share, 1).transpose(0, 1);
        var unseen = ones([tokens, context], ScalarType.Bool).triu(context - tokens + 1);
        // Scalars are held to the end: an unnamed one may be finalised while libtorch still reads it.
        using Scalar scale = 1 / Math.Sqrt(query.shape[2]);
        using Scalar never = double.NegativeInfinity;
        var scores = q.matmul(k.transpose(1, 2)).mul(scale);
        return scores.masked_fill(unseen, never).softmax(-1).matmul(v).transpose(0, 1).to(ScalarType.Float32);
    }

    private static Tensor Random(int seed, long[] shape)
    {
        var random = new Random(seed);
        var numbers = new float[shape.Aggregate((a, b) => a * b)];
        foreach (ref var number in numbers.AsSpan())
            number = (3 * random.NextSingle()) - 1.5f;
        return tensor(numbers).view(shape);
    }
}
