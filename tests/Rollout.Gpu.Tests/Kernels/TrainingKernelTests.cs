using Rollout.Gpu.Interop;
using Rollout.Gpu.Kernels;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Kernels;

/// <summary>The gradients of training's kernels against autograd in double precision on the CPU.</summary>
[Collection(GpuTests.Name)]
public sealed class TrainingKernelTests : GpuTest
{
    private const double Epsilon = 1e-6;

    private readonly GpuFixture _gpu;
    private readonly List<Tensor> _held = [];

    public TrainingKernelTests(GpuFixture gpu)
        : base(gpu) => _gpu = gpu;

    [Theory]
    [InlineData(1, 8, ScalarType.BFloat16, false)]
    [InlineData(3, 37, ScalarType.BFloat16, true)]
    [InlineData(1500, 1024, ScalarType.BFloat16, true)]
    [InlineData(9, 4096, ScalarType.BFloat16, false)]
    [InlineData(33, 999, ScalarType.Float32, true)]
    [InlineData(5, 20000, ScalarType.Float32, false)]
    public void The_gradient_of_a_norm_is_autograds(int rows, int width, ScalarType dtype, bool adds)
    {
        var (x, weight) = (Random(1, dtype, rows, width), Random(2, dtype, width));
        var (gradient, before) = (Random(3, dtype, rows, width), Random(4, dtype, rows, width));
        var (leaf, scale) = (Leaf(x), Leaf(weight));
        Norm(leaf, scale).backward([gradient.to(ScalarType.Float64)]);
        var kernels = Training(PlainShape(dtype));
        var result = adds ? OnDevice(before) : Poisoned(dtype, rows, width);
        var sum = zeros([width], ScalarType.Float32, CUDA);
        var partials = Poisoned(ScalarType.Float32, kernels.PartialBytes(width) / 4);

        kernels.NormBackward(
            Stream, On(x), On(weight), On(gradient), At(result), At(sum), At(partials), rows,
            width, (float)Epsilon, adds);

        var expected = adds ? leaf.grad!.add(before.to(ScalarType.Float64), Scalars.One) : leaf.grad!;
        AssertClose(expected, result, dtype);
        AssertClose(scale.grad!, sum, dtype);
    }

    [Theory]
    [InlineData(1, 1, ScalarType.BFloat16)]
    [InlineData(3, 37, ScalarType.BFloat16)]
    [InlineData(70, 3072, ScalarType.BFloat16)]
    [InlineData(2, 65, ScalarType.Float32)]
    [InlineData(2, 12288, ScalarType.Float32)]
    public void The_gradient_of_the_gate_is_autograds(int rows, int width, ScalarType dtype)
    {
        var (both, gradient) = (Random(1, dtype, rows, 2 * width), Random(2, dtype, rows, width));
        var leaf = Leaf(both);
        var halves = leaf.chunk(2, -1);
        nn.functional.silu(halves[0]).mul(halves[1]).backward([gradient.to(ScalarType.Float64)]);
        var result = Poisoned(dtype, rows, 2 * width);

        Training(PlainShape(dtype)).GateBackward(
            Stream, On(both), On(gradient), At(result), rows, width);

        AssertClose(leaf.grad!, result, dtype);
    }

    [Theory]
    [InlineData(128, 16, 8, 1, true, ScalarType.BFloat16)]
    [InlineData(128, 4, 2, 700, true, ScalarType.BFloat16)]
    [InlineData(72, 6, 3, 5, true, ScalarType.BFloat16)]
    [InlineData(256, 2, 1, 9, false, ScalarType.BFloat16)]
    [InlineData(8, 4, 2, 33, true, ScalarType.Float32)]
    [InlineData(24, 3, 1, 7, false, ScalarType.Float32)]
    public void The_gradient_of_norm_and_rotation_is_autograds(
        int headDim, int heads, int kvHeads, int tokens, bool hasNorm, ScalarType dtype)
    {
        var all = heads + (2 * kvHeads);
        var (qkv, norms) = (Random(1, dtype, tokens, all, headDim), Random(2, dtype, 2, headDim));
        var gradient = Random(3, dtype, tokens, all, headDim);
        var kernels = Training(new KernelShape(headDim, heads, kvHeads, 1, dtype));
        var frequencies = OnDevice(Random(4, ScalarType.Float32, headDim / 2).abs());
        var positions = OnDevice([.. Enumerable.Range(0, tokens).Select(token => token * 7 % 90)]);
        var angles = Poisoned(ScalarType.Float32, tokens, headDim / 2, 2);
        kernels.Angles(Stream, At(positions), At(frequencies), At(angles), tokens);
        var turns = Read(angles).to(ScalarType.Float64); // [tokens, half, 2]
        var (leaf, scale) = (Leaf(qkv), Leaf(norms));
        Rotated(leaf, hasNorm ? scale : null, turns, heads, kvHeads).backward([gradient.to(ScalarType.Float64)]);
        var parts = gradient.split([heads, kvHeads, kvHeads], 1);
        var result = Poisoned(dtype, tokens, all, headDim);
        var sum = zeros([2, headDim], ScalarType.Float32, CUDA);
        var partials = Poisoned(ScalarType.Float32, kernels.PartialBytes(1) / 4);

        kernels.RotateBackward(
            Stream, On(qkv), hasNorm ? On(norms) : 0, At(angles), On(parts[0]),
            On(parts[1]), On(parts[2]), At(result), At(sum), At(partials), tokens, (float)Epsilon);

        AssertClose(leaf.grad!, result, dtype);
        if (hasNorm)
            AssertClose(scale.grad!, sum, dtype);
    }

    [Theory]
    [InlineData(1, 1, 1.0, ScalarType.BFloat16)]
    [InlineData(3, 23, 0.7, ScalarType.BFloat16)]
    [InlineData(5, 151936, 1.0, ScalarType.BFloat16)]
    [InlineData(2, 32000, 1.3, ScalarType.Float32)]
    [InlineData(4, 4101, 1.0, ScalarType.Float32)]
    public void Logprobs_and_their_gradient_are_those_of_a_softmax(
        int rows, int vocabulary, double temperature, ScalarType dtype)
    {
        var logits = Random(1, ScalarType.Float32, rows, vocabulary).mul(8);
        int[] targets = [.. Enumerable.Range(0, rows).Select(row => row * 977 % vocabulary)];
        var index = tensor(targets, ScalarType.Int64).unsqueeze(1);
        using var divisor = temperature.ToScalar();
        var expected = logits.to(ScalarType.Float64).div(divisor).log_softmax(-1); // [rows, vocab]
        var slopes = zeros_like(expected).scatter(1, index, ones([rows, 1], ScalarType.Float64)).sub(expected.exp());
        var logprobs = Poisoned(ScalarType.Float32, rows);
        var gradient = Poisoned(dtype, rows, vocabulary);

        Training(PlainShape(dtype)).CrossEntropy(
            Stream, On(logits), On(targets), At(logprobs), At(gradient), rows, vocabulary, temperature);

        AssertClose(expected.gather(1, index).squeeze(1), logprobs, ScalarType.Float32);
        AssertClose(slopes, gradient, dtype);
    }

    [Theory]
    [InlineData(ScalarType.BFloat16, 40)]
    [InlineData(ScalarType.Float32, 37)]
    public void Rows_are_summed_by_their_owners_with_factors(ScalarType dtype, int width)
    {
        int[] order = [5, 0, 2, 1, 3, 4], start = [0, 2, 2, 5, 6], ids = [7, 1, 3, 8];
        var (from, factors) = (Random(1, ScalarType.Float32, 6, width), Random(2, ScalarType.Float32, 6));
        var embedded = Random(3, dtype, 6, width);
        var result = Poisoned(dtype, 4, width);
        var sum = ones([9, width], ScalarType.Float32, CUDA);
        var kernels = Training(PlainShape(dtype));

        kernels.ScatterRows(
            Stream, On(from), On(factors), On(order), On(start), At(result), 4, width);
        kernels.AddEmbedding(
            Stream, On(embedded), On(order), On(start), On(ids), At(sum), 4, width);

        var (scattered, total) = (zeros([4, width], ScalarType.Float64), ones([9, width], ScalarType.Float64));
        for (var owner = 0; owner < 4; owner++)
        {
            foreach (var row in order[start[owner]..start[owner + 1]])
            {
                scattered[owner].add_(from[row].to(ScalarType.Float64).mul(factors[row].to(ScalarType.Float64)), Scalars.One);
                total[ids[owner]].add_(embedded[row].to(ScalarType.Float64), Scalars.One);
            }
        }

        AssertClose(scattered, result, dtype);
        AssertClose(total, sum, ScalarType.Float32);
    }

    [Theory]
    [InlineData(1, 8, ScalarType.BFloat16)]
    [InlineData(300, 77, ScalarType.BFloat16)]
    [InlineData(17, 4096, ScalarType.Float32)]
    public void The_gradient_of_a_bias_is_the_sum_of_rows_and_rows_are_scaled(int rows, int width, ScalarType dtype)
    {
        var (gradient, factors) = (Random(1, dtype, rows, width), Random(2, ScalarType.Float32, rows));
        var (sum, scaled) = (ones([width], ScalarType.Float32, CUDA), OnDevice(gradient));
        var kernels = Training(PlainShape(dtype));

        kernels.AddBiasGradient(Stream, On(gradient), At(sum), rows, width);
        kernels.ScaleRows(Stream, At(scaled), On(factors), rows, width);

        var wide = gradient.to(ScalarType.Float64);
        AssertClose(wide.sum([0]).add(ones([width], ScalarType.Float64), Scalars.One), sum, ScalarType.Float32);
        AssertClose(wide.mul(factors.to(ScalarType.Float64).unsqueeze(1)), scaled, dtype);
    }

    private TrainingKernels Training(KernelShape shape) => _gpu.TrainingKernels(shape);

    // Holds the tensor until the test ends, so that nobody else gets its memory.
    private nint On(Tensor values)
    {
        _held.Add(OnDevice(values));
        return At(_held[^1]);
    }

    private nint On(int[] values)
    {
        _held.Add(OnDevice(values));
        return At(_held[^1]);
    }

    private static Tensor Leaf(Tensor values) => values.to(ScalarType.Float64).clone().requires_grad_();

    private static Tensor Norm(Tensor x, Tensor weight)
    {
        var epsilon = full([1], Epsilon.ToScalar(), ScalarType.Float64);
        return x.mul(x.mul(x).mean([-1], keepdim: true).add(epsilon, Scalars.One).rsqrt()).mul(weight);
    }

    // As Models/QkNorm and Models/RotaryEmbedding: halves (x1, x2) become (x1 cos − x2 sin, x2 cos + x1 sin).
    private static Tensor Rotated(Tensor qkv, Tensor? norms, Tensor turns, int heads, int kvHeads)
    {
        var parts = qkv.split([heads, kvHeads, kvHeads], 1);
        var (cos, sin) = (turns.select(2, 0).unsqueeze(1), turns.select(2, 1).unsqueeze(1)); // [tokens, 1, half]
        Tensor Turned(Tensor part, int norm)
        {
            var halves = (norms is null ? part : Norm(part, norms[norm])).chunk(2, -1);
            return cat([halves[0].mul(cos).sub(halves[1].mul(sin)), halves[1].mul(cos).add(halves[0].mul(sin), Scalars.One)], -1);
        }

        return cat([Turned(parts[0], 0), Turned(parts[1], 1), parts[2]], 1);
    }

    private void AssertClose(Tensor expected, Tensor actual, ScalarType dtype)
    {
        var difference = Read(actual).to(ScalarType.Float64).sub(expected.detach()).norm().ToDouble();
        var size = Math.Max(expected.detach().norm().ToDouble(), 0.1);
        Assert.InRange(difference / size, 0, dtype == ScalarType.BFloat16 ? 5e-3 : 1e-5);
    }
}
