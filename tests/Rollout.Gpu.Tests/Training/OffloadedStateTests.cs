using FsCheck;
using FsCheck.Fluent;
using Rollout.Gpu.Training;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Training;

public sealed class OffloadedStateTests : IDisposable
{
    private static readonly AdamWOptions Options = new(Beta1: 0.8, Beta2: 0.95, Epsilon: 1e-6, WeightDecay: 0.1);
    private static readonly long[][] Shapes = [[7, 3], [5], [1], [4, 8], [2]];

    private readonly string _folder = Directory.CreateTempSubdirectory("offload").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>Chunks of few and of many numbers, in as few and as many slots.</summary>
    public static TheoryData<ScalarType, int, int, bool> Plans => new(
        from dtype in (ScalarType[])[ScalarType.Float32, ScalarType.BFloat16]
        from numbers in (int[])[4, 12, 1000]
        from slots in (int[])[1, 2, 3]
        from late in (bool[])[false, true]
        select (dtype, numbers, slots, late));

    [Theory]
    [MemberData(nameof(Plans))]
    public void Updates_in_chunks_are_those_of_a_state_beside_the_weights(ScalarType dtype, int numbers, int slots, bool late)
    {
        using var scope = NewDisposeScope();
        var (plain, moved) = (Parameters(dtype), Parameters(dtype));
        using var expected = new AdamW(plain, Options);
        using var actual = new AdamW(moved, Options, Plan(numbers, slots, late));

        for (var step = 0; step < 4; step++)
        {
            Step(expected, plain, step);
            Step(actual, moved, step);
        }

        AssertSame(plain, moved);
        Assert.Equal(Saved(expected), Saved(actual));
    }

    [Fact]
    public void A_parameter_without_a_gradient_stays_as_it_is()
    {
        using var scope = NewDisposeScope();
        var (plain, moved) = (Parameters(ScalarType.BFloat16), Parameters(ScalarType.BFloat16));
        using var expected = new AdamW(plain, Options);
        using var actual = new AdamW(moved, Options, Plan(numbers: 8, slots: 2, late: true));

        for (var step = 0; step < 3; step++)
        {
            Step(expected, plain, step, without: step);
            Step(actual, moved, step, without: step);
        }

        AssertSame(plain, moved);
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void A_trainer_with_its_state_in_host_memory_learns_the_same(ScalarType dtype)
    {
        float[] Trained(bool offload)
        {
            using var weights = TinyModel.Weights(seed: 3, dtype);
            using var trainer = new PolicyTrainer(weights, TinyModel.Options with { Offload = offload });
            for (var step = 0; step < 3; step++)
                trainer.Train(TinyModel.Batch(step));
            return TinyModel.Values(weights.Model);
        }

        Assert.Equal(Trained(offload: false), Trained(offload: true));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_saved_state_goes_on_where_it_stopped(bool fromOffloaded)
    {
        using var scope = NewDisposeScope();
        var (plain, moved) = (Parameters(ScalarType.BFloat16), Parameters(ScalarType.BFloat16));
        using var first = new AdamW(plain, Options, fromOffloaded ? Plan(numbers: 12, slots: 2, late: true) : null);
        using var second = new AdamW(moved, Options, fromOffloaded ? null : Plan(numbers: 12, slots: 2, late: true));
        Step(first, plain, step: 0);
        Step(second, moved, step: 7); // brings the first chunks of the next update, which the loaded ones replace
        var path = Path.Combine(_folder, "state.safetensors");
        first.Save(path);

        Assert.True(second.Load(path));
        foreach (var (left, right) in plain.Zip(moved))
            right.Value.detach().copy_(left.Value);
        Step(first, plain, step: 1);
        Step(second, moved, step: 1);

        AssertSame(plain, moved);
        Assert.Equal(Saved(first), Saved(second));
    }

    [Fact]
    public void The_first_chunks_of_an_update_come_after_the_update_before()
    {
        using var scope = NewDisposeScope();
        var parameters = Parameters(ScalarType.Float32);
        var copies = new LateCopies(slots: 2);
        using var optimizer = new AdamW(parameters, Options, new OffloadPlan(16, 2) { Copies = _ => copies });

        Step(optimizer, parameters, step: 0);

        Assert.Equal([true, true], copies.IsLoading);
    }

    [Fact]
    public void Every_number_is_in_one_chunk() => Prop.ForAll(Counts.ToArbitrary(), counts =>
    {
        var (numbers, chunk) = counts;
        var layout = new StateLayout([.. numbers.Select(count => (long)count)], chunk);
        var seen = new Dictionary<long, int>();
        for (var i = 0; i < layout.ChunkCount; i++)
        {
            foreach (var span in layout.SpansOf(i))
            {
                Assert.Equal(0, span.Start % 4);
                Assert.InRange(span.Offset + span.Count, 1, layout.SizeOf(i));
                for (var n = 0L; n < span.Count; n++)
                {
                    var place = (i * layout.ChunkNumbers) + span.Offset + n;
                    Assert.Equal(layout.OffsetOf(span.Parameter) + span.Start + n, place);
                    Assert.True(seen.TryAdd(place, span.Parameter));
                }
            }
        }

        Assert.Equal(numbers, Enumerable.Range(0, numbers.Length).Select(i => seen.Values.Count(owner => owner == i)));
    }).Holds();

    private static Gen<(int[] Numbers, int Chunk)> Counts =>
        from numbers in Gen.ArrayOf(Gen.Choose(1, 40))
        from chunk in Gen.Choose(1, 50)
        where numbers.Length > 0
        select (numbers, chunk);

    private static OffloadPlan Plan(int numbers, int slots, bool late) =>
        new(numbers, slots) { Copies = late ? count => new LateCopies(count) : null };

    private static List<OptimizedParameter> Parameters(ScalarType dtype) =>
    [
        .. Shapes.Select((shape, i) => new OptimizedParameter(
            $"p{i}", Random(10 + i, shape).to(dtype).requires_grad_(), Decays: i % 2 == 0)),
    ];

    private static void Step(AdamW optimizer, List<OptimizedParameter> parameters, int step, int without = -1)
    {
        using var noGradient = no_grad();
        foreach (var (parameter, i) in parameters.Select((parameter, i) => (parameter, i)).Where(entry => entry.i != without))
            optimizer.GradientSum(parameter.Value).copy_(Random((100 * step) + i, parameter.Value.shape));
        optimizer.Step(0.05, gradientScale: 0.5);
    }

    private static void AssertSame(List<OptimizedParameter> expected, List<OptimizedParameter> actual) => Assert.All(
        expected.Zip(actual), pair => Assert.Equal(Numbers(pair.First.Value), Numbers(pair.Second.Value)));

    private static float[] Numbers(Tensor tensor) => tensor.detach().to(ScalarType.Float32).data<float>().ToArray();

    private byte[] Saved(AdamW optimizer)
    {
        var path = Path.Combine(_folder, $"{Guid.NewGuid():N}.safetensors");
        optimizer.Save(path);
        return File.ReadAllBytes(path);
    }

    private static Tensor Random(int seed, long[] shape)
    {
        using var generator = new Generator((ulong)seed);
        return randn(shape, generator: generator);
    }

    /// <summary>Copies as late as the contract allows: a load when it is waited for, a store when another copy needs it.</summary>
    private sealed class LateCopies(int slots) : IStateCopies
    {
        private readonly HostCopies _copies = new();
        private readonly Action?[] _loads = new Action?[slots];
        private readonly Queue<(int Slot, Action Copy)> _stores = new();

        public IEnumerable<bool> IsLoading => _loads.Select(load => load is not null);

        public Tensor Allocate(long numbers) => _copies.Allocate(numbers);

        public void Load(int slot, IReadOnlyList<(Tensor Host, Tensor Device)> pairs)
        {
            Assert.Null(_loads[slot]);
            var kept = Kept(pairs);
            _loads[slot] = () =>
            {
                while (_stores.Any(store => store.Slot == slot))
                    _stores.Dequeue().Copy();
                _copies.Load(slot, kept);
            };
        }

        public void Await(int slot)
        {
            _loads[slot]?.Invoke();
            _loads[slot] = null;
        }

        public void Store(int slot, IReadOnlyList<(Tensor Host, Tensor Device)> pairs)
        {
            var kept = Kept(pairs);
            _stores.Enqueue((slot, () => _copies.Store(slot, kept)));
        }

        public void Settle()
        {
            for (var slot = 0; slot < slots; slot++)
                Await(slot);
            while (_stores.TryDequeue(out var store))
                store.Copy();
        }

        public void Dispose() => _copies.Dispose();

        // The caller's views end with its scope; a GPU's copies have read their addresses by then.
        private static (Tensor, Tensor)[] Kept(IEnumerable<(Tensor Host, Tensor Device)> pairs) =>
            [.. pairs.Select(pair => (pair.Host.alias().DetachFromDisposeScope(), pair.Device.alias().DetachFromDisposeScope()))];
    }
}
