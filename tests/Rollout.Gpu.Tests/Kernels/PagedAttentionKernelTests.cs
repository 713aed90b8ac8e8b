using Rollout.Gpu.Kernels;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Row = Rollout.Gpu.Tests.Kernels.PrefixFamilies.Row;

namespace Rollout.Gpu.Tests.Kernels;

[Collection(GpuTests.Name)]
public sealed class PagedAttentionKernelTests(GpuFixture gpu) : GpuTest(gpu)
{
    public static TheoryData<int, int, int, int, ScalarType> Shapes => new()
    {
        { 128, 16, 8, 16, ScalarType.BFloat16 },
        { 128, 32, 8, 16, ScalarType.BFloat16 },
        { 128, 10, 2, 64, ScalarType.BFloat16 },
        { 64, 8, 8, 1, ScalarType.BFloat16 },
        { 72, 6, 3, 5, ScalarType.BFloat16 },
        { 96, 12, 4, 7, ScalarType.BFloat16 },
        { 256, 8, 1, 32, ScalarType.BFloat16 },
        { 8, 64, 1, 16, ScalarType.BFloat16 },
        { 128, 16, 8, 16, ScalarType.Float32 },
        { 8, 8, 4, 3, ScalarType.Float32 },
        { 256, 4, 4, 16, ScalarType.Float32 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Decode_rows_attend_to_contexts_of_any_length(int d, int h, int kv, int block, ScalarType dtype) =>
        AssertAttends(new KernelShape(d, h, kv, block, dtype),
            [.. new[] { 1, 2, 63, 64, 65, 127, 128, 129, 500, 1600, 3, 16, 17, 700 }.Select(context => new Row(context, 1))]);

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Prompts_chunks_and_cached_prefixes_are_causal(int d, int h, int kv, int block, ScalarType dtype) =>
        AssertAttends(new KernelShape(d, h, kv, block, dtype),
            [new(1, 1), new(130, 130), new(64, 64), new(300, 17), new(513, 65), new(7, 7), new(200, 1), new(90, 33)]);

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Samples_of_a_group_attend_to_the_shared_prompt_and_to_their_own(
        int d, int h, int kv, int block, ScalarType dtype)
    {
        var rows = Enumerable.Range(0, 45).Select(i => i % 15 == 14
            ? new Row(140, 20)
            : new Row(320 + (7 * i % 90), 1, Family: i / 15, Shared: i / 15 == 2 ? 64 : 320)).ToArray();

        AssertAttends(new KernelShape(d, h, kv, block, dtype), rows);
    }

    [Theory]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float32)]
    public void One_long_context_is_spread_over_the_whole_device(ScalarType dtype) =>
        AssertAttends(new KernelShape(128, 16, 8, 16, dtype), [new(20_000, 1)]);

    // Queries sixteen times as long: the largest score keeps rising far beyond what the softmax counts from.
    [Theory]
    [InlineData(128, 16, 8, 16)]
    [InlineData(128, 32, 8, 16)]
    [InlineData(72, 6, 3, 5)]
    public void Rising_scores_rescale_earlier_results(int d, int h, int kv, int block) =>
        AssertAttends(new KernelShape(d, h, kv, block, ScalarType.BFloat16),
            [new(1600, 1), new(300, 300), new(700, 1, Family: 1, Shared: 320), new(650, 1, Family: 1, Shared: 320)],
            sharpness: 16);

    // As on compute capability 8.6, 8.9 and 12.0: two tiles on their way instead of three.
    [Theory]
    [InlineData(128, 16, 8, 16)]
    [InlineData(128, 10, 2, 5)]
    public void Attention_is_the_same_with_little_shared_memory(int d, int h, int kv, int block) =>
        AssertAttends(new KernelShape(d, h, kv, block, ScalarType.BFloat16),
            [
                new(1, 1), new(1600, 1), new(300, 300), new(513, 65), new(65, 1),
                .. Enumerable.Range(0, 15).Select(i => new Row(320 + (7 * i), 1, Family: 1, Shared: 320)),
            ],
            sharedBytes: 99 << 10);

    [Fact]
    public void An_empty_step_writes_nothing()
    {
        var test = new AttentionCase(this, new KernelShape(128, 16, 8, 16, ScalarType.BFloat16), [], padding: 3);
        Assert.True(Read(test.Run()).isnan().all().ToBoolean());
    }

    private void AssertAttends(KernelShape shape, Row[] rows, int sharpness = 1, int? sharedBytes = null)
    {
        var test = new AttentionCase(this, shape, rows, padding: 2, sharpness, sharedBytes);
        var actual = Read(test.Run());
        var expected = test.Reference();
        var tolerance = shape.Dtype == ScalarType.BFloat16 ? 6e-3 : 2e-6;
        for (var row = 0; row < rows.Length; row++)
        {
            var (from, count) = (test.Batch.QueryStart[row], rows[row].Tokens);
            var error = Error(actual.narrow(0, from, count), expected[row]);
            Assert.True(error <= tolerance, $"{rows[row]} of {shape} is off by {error}");
        }

        var tokens = test.Batch.TokenCount;
        Assert.True(actual.narrow(0, tokens, 2).isnan().all().ToBoolean(), "padding was written");
        Assert.True(Read(test.Run()).equal(actual).logical_or(actual.isnan()).all().ToBoolean(), "not repeatable");
        Assert.InRange(Error(Read(test.Run(share: false)).narrow(0, 0, tokens), actual.narrow(0, 0, tokens)), 0, tolerance);
    }

    /// <summary>One batch over a cache whose unused memory is NaN.</summary>
    private sealed class AttentionCase
    {
        private readonly PagedAttentionKernelTests _test;
        private readonly KernelShape _shape;
        private readonly int? _sharedBytes;
        private readonly int _padded;
        private readonly Tensor _query;
        private readonly Tensor _keys; // [blocks, kv_heads, block_size, head_dim]
        private readonly Tensor _values;

        public AttentionCase(
            PagedAttentionKernelTests test, KernelShape shape, Row[] rows, int padding, int sharpness = 1,
            int? sharedBytes = null)
        {
            (_test, _shape, _sharedBytes) = (test, shape, sharedBytes);
            Batch = PrefixFamilies.Of(rows, shape.BlockSize, new Random(1), out var blocks);
            _padded = Batch.TokenCount + padding;
            _query = Random(2, shape.Dtype, _padded, shape.QueryHeads, shape.HeadDim).mul(sharpness);
            var used = zeros([blocks * shape.BlockSize], ScalarType.Bool);
            for (var row = 0; row < rows.Length; row++)
                used.index_fill_(0, tensor(Slots(row)), true);
            _keys = Cache(3, blocks, used);
            _values = Cache(4, blocks, used);
        }

        public Contracts.ForwardBatch Batch { get; }

        public Tensor Run(bool share = true)
        {
            var kernels = _test.Kernels(_shape, _sharedBytes);
            var parts = kernels.Attention.Parts;
            var layout = new StepInputs(
                new StepCapacity(_padded, Batch.RowCount + 1, 1, 0, Batch.BlockTables.Length, parts), _shape);
            var buffer = new int[layout.Ints];
            new StepInputsBuilder(new AttentionSchedule(_shape, parts, share)).Write(Batch, layout, buffer);
            var inputs = Upload(buffer);
            var positions = OnDevice([.. PrepareStepTests.Positions(Batch), .. new int[_padded - Batch.TokenCount]]);
            var workspace = Poisoned(ScalarType.Float32, kernels.Attention.WorkspaceBytes(layout) / sizeof(float));
            var result = Poisoned(_shape.Dtype, _padded, _shape.QueryHeads, _shape.HeadDim);
            var (query, keys, values) = (OnDevice(_query), OnDevice(_keys), OnDevice(_values));
            kernels.Attention.Launch(
                _test.Stream, layout, At(inputs), new PreparedTokens(0, At(positions), 0, 0), At(query), At(keys),
                At(values), At(result), At(workspace), _padded);
            _test.Stream.Synchronize();
            return result;
        }

        /// <summary>Softmax attention of every row in double precision: [tokens, heads, head_dim].</summary>
        public Tensor[] Reference() => [.. Enumerable.Range(0, Batch.RowCount).Select(row =>
        {
            using var scope = NewDisposeScope();
            var (from, tokens) = (Batch.QueryStart[row], Batch.QueryStart[row + 1] - Batch.QueryStart[row]);
            var context = Batch.ContextLengths[row];
            var slots = tensor(Slots(row));
            Tensor Of(Tensor cache) => cache.transpose(1, 2).reshape(-1, _shape.KvHeads, _shape.HeadDim)
                .index_select(0, slots).to(ScalarType.Float64).repeat_interleave(_shape.QueriesPerKvHead, 1).transpose(0, 1);
            var q = _query.narrow(0, from, tokens).to(ScalarType.Float64).transpose(0, 1);
            var unseen = ones([tokens, context], ScalarType.Bool).triu(context - tokens + 1);
            using Scalar scale = 1 / Math.Sqrt(_shape.HeadDim);
            using Scalar never = double.NegativeInfinity;
            return q.matmul(Of(_keys).transpose(1, 2)).mul(scale).masked_fill(unseen, never).softmax(-1)
                .matmul(Of(_values)).transpose(0, 1).MoveToOuterDisposeScope();
        })];

        private long[] Slots(int row) => [.. Enumerable.Range(0, Batch.ContextLengths[row]).Select(position =>
            ((long)Batch.BlockTables[Batch.BlockTableStart[row] + (position / _shape.BlockSize)] * _shape.BlockSize)
            + (position % _shape.BlockSize))];

        private Tensor Cache(int seed, int blocks, Tensor used)
        {
            using Scalar nan = float.NaN;
            var bySlot = Random(seed, _shape.Dtype, blocks * _shape.BlockSize, _shape.KvHeads, _shape.HeadDim);
            return bySlot.masked_fill(used.logical_not().view(-1, 1, 1), nan)
                .view(blocks, _shape.BlockSize, _shape.KvHeads, _shape.HeadDim).transpose(1, 2).contiguous();
        }
    }
}
