using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Models;
using Rollout.Gpu.Tests.Execution;
using Rollout.Gpu.Tests.Kernels;
using Rollout.Gpu.Tests.Support;
using Rollout.Gpu.Training;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Training;

/// <summary>Whole passes by kernels over packed sequences, against autograd over padded ones.</summary>
[Collection(GpuTests.Name)]
public sealed class KernelCompletionPassTests : IDisposable
{
    private const double Temperature = 0.8;

    private static readonly TokenSequence[] Sequences =
    [
        new([1, 2, 3, 4, 5], [6, 7, 8, 1, 1, 1, 2]),
        new([9], [10]), // one token is read
        new([9], [10, 11, 12, 13]),
        new([14, 15, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3], [16]),
    ];

    private static readonly int[] OtherPrompt = [.. Enumerable.Range(0, 64).Select(i => (i * 5 % 30) + 1)];

    private static readonly int[] SharedPrompt = [.. Enumerable.Range(0, 70).Select(i => (i * 7 % 30) + 1)];

    // Two groups with prompts that are computed once, one sequence by itself between them.
    private static readonly TokenSequence[] Groups =
    [
        new(SharedPrompt, [6, 7, 8, 1, 1, 1, 2]),
        new([9, 3], [10, 4]),
        new(SharedPrompt, [5]), // nothing is read beyond the prompt
        new(SharedPrompt, [.. Enumerable.Repeat(4, 90)]),
        .. Enumerable.Range(0, 3).Select(i => new TokenSequence(OtherPrompt, [i + 1, 2, 3])),
    ];

    private readonly DisposeScope? _scope;

    public KernelCompletionPassTests()
    {
        GpuMachine.Require();
        _scope = NewDisposeScope();
        Poison();
    }

    public static TheoryData<string> Models => [.. TinyModels.All.Select(model => Name(model)).Distinct()];

    public static TheoryData<string, Recomputation> RecomputedModels => new(
        from name in TinyModels.All.Select(model => Name(model)).Distinct()
        from recompute in (Recomputation[])[Recomputation.AttentionAndGate, Recomputation.Layers]
        select (name, recompute));

    [Theory]
    [MemberData(nameof(Models))]
    public void Gradients_in_float32_are_autograds(string name)
    {
        using var model = Model(name, ScalarType.Float32);

        var (expected, actual) = (Gradients(model, autograd: true), Gradients(model, autograd: false));

        Assert.All(expected.Keys, parameter =>
            Assert.InRange(Distance(actual[parameter], expected[parameter]), 0, 1e-5));
    }

    [Fact]
    public void Gradients_of_shared_prompts_in_float32_are_autograds()
    {
        using var model = Model("qwen3", ScalarType.Float32);

        var (expected, actual) = (Gradients(model, autograd: true, Groups), Gradients(model, autograd: false, Groups));

        Assert.All(expected.Keys, parameter =>
            Assert.InRange(Distance(actual[parameter], expected[parameter]), 0, 1e-5));
    }

    [Theory]
    [MemberData(nameof(RecomputedModels))]
    public void Gradients_with_recomputed_values_are_those_with_kept_ones(string name, Recomputation recompute)
    {
        using var model = Model(name, ScalarType.Float32);

        var kept = Gradients(model, autograd: false, Groups);
        var recomputed = Gradients(model, autograd: false, Groups, recompute: recompute);

        Assert.All(kept.Keys, parameter => Assert.InRange(Distance(recomputed[parameter], kept[parameter]), 0, 1e-6));
    }

    [Theory]
    [InlineData(Recomputation.AttentionAndGate)]
    [InlineData(Recomputation.Layers)]
    public void Gradients_with_recomputed_values_in_bfloat16_are_as_near_to_float32_as_autograds(Recomputation recompute)
    {
        using var model = Model("qwen3", ScalarType.BFloat16);
        using var wide = Model("qwen3", ScalarType.Float32, rounded: true);

        var exact = All(Gradients(wide, autograd: true, Groups));
        var autograd = All(Gradients(model, autograd: true, Groups));
        var recomputed = All(Gradients(model, autograd: false, Groups, times: 1, recompute));

        Assert.InRange(Distance(recomputed, exact), 0, 1.25 * Distance(autograd, exact));
    }

    [Fact]
    public void Gradients_of_shared_prompts_in_bfloat16_are_as_near_to_float32_as_autograds()
    {
        using var model = Model("qwen3", ScalarType.BFloat16);
        using var wide = Model("qwen3", ScalarType.Float32, rounded: true);

        var exact = All(Gradients(wide, autograd: true, Groups));
        var autograd = All(Gradients(model, autograd: true, Groups));
        var kernels = All(Gradients(model, autograd: false, Groups));

        Assert.InRange(Distance(kernels, exact), 0, 1.25 * Distance(autograd, exact));
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void Gradients_in_bfloat16_are_as_near_to_float32_as_autograds(string name)
    {
        using var model = Model(name, ScalarType.BFloat16);
        using var wide = Model(name, ScalarType.Float32, rounded: true);

        var exact = Gradients(wide, autograd: true);
        var (autograd, kernels) = (Gradients(model, autograd: true), Gradients(model, autograd: false));

        Assert.InRange(Distance(All(kernels), All(exact)), 0, 1.25 * Distance(All(autograd), All(exact)));
        Assert.All(exact.Keys, parameter => Assert.InRange(
            Distance(kernels[parameter], exact[parameter]), 0,
            0.01 + (2 * Distance(autograd[parameter], exact[parameter]))));
    }

    [Theory]
    [InlineData(ScalarType.Float32, 1e-5)]
    [InlineData(ScalarType.BFloat16, 0.1)]
    public void Logprobs_without_gradients_are_those_that_the_loss_is_told(ScalarType dtype, double tolerance)
    {
        using var model = Model("qwen3", dtype);
        using var optimizer = new AdamW(OptimizedParameter.Of(model), new AdamWOptions(0.9, 0.999, 1e-8, 0));
        using var passes = new CompletionPasses(model, Temperature) { Optimizer = optimizer };
        using var input = new MicroBatchInput(Sequences, Sequences.Max(row => row.InputLength), model.Device);
        float[]? told = null;

        passes.Of(model).Backward(input, atOnce: true, (logprobs, start) =>
        {
            Assert.Equal((0, input.TargetCount), (start, (int)logprobs.size(0)));
            told = Numbers(logprobs);
            return zeros_like(logprobs);
        });

        Assert.Equal(told, Numbers(passes.Of(model).Logprobs(input)));
        var expected = Numbers(new CompletionPass(model, Temperature, 1 << 20).Logprobs(input));
        Assert.All(expected.Zip(told!), pair => Assert.Equal(pair.First, pair.Second, tolerance));
        Assert.Equal(0, optimizer.GradientNorm());
    }

    [Fact]
    public void Two_micro_batches_add_to_one_sum()
    {
        using var model = Model("qwen3", ScalarType.BFloat16);

        var once = Gradients(model, autograd: false);
        var twice = Gradients(model, autograd: false, times: 2);

        Assert.All(once.Keys, parameter => Assert.InRange(
            Distance([.. once[parameter].Select(number => 2 * number)], twice[parameter]), 0, 1e-6));
    }

    [Fact]
    public void A_trainer_steps_by_kernels_as_by_autograd()
    {
        TrainStats Trained(bool autograd, out float[] weights)
        {
            using var onHost = TinyPolicy.Create(seed: 41);
            using var onGpu = CudaPolicy.Copy(onHost.Model, ScalarType.Float32);
            using var trainer = new PolicyTrainer(onGpu, TinyModel.Options with { Autograd = autograd, AdamEpsilon = 1e-3 });
            Assert.Equal(autograd, trainer.Tools is null);
            var stats = trainer.Train(TinyModel.Batch(seed: 3, groups: 6));
            weights = TinyModel.Values(onGpu.Model);
            return stats;
        }

        var (expected, actual) = (Trained(autograd: true, out var left), Trained(autograd: false, out var right));

        Assert.Equal(expected.Loss, actual.Loss, 1e-5);
        Assert.Equal(1, actual.GradientNorm / expected.GradientNorm, 1e-5);
        Assert.Equal(expected.ProcessedTokens, actual.ProcessedTokens);
        Assert.Equal(expected.Ratios, actual.Ratios);
        Assert.InRange(Distance(right, left), 0, 1e-6);
    }

    [Theory]
    [InlineData(Recomputation.AttentionAndGate)]
    [InlineData(Recomputation.Layers)]
    public void A_trainer_that_saves_memory_learns_the_same(Recomputation recompute)
    {
        float[] Trained(GrpoOptions options)
        {
            using var onHost = TinyPolicy.Create(seed: 41);
            using var onGpu = CudaPolicy.Copy(onHost.Model, ScalarType.Float32);
            using var trainer = new PolicyTrainer(onGpu, options);
            for (var step = 0; step < 3; step++)
                trainer.Train(TinyModel.Batch(step, groups: 6));
            return TinyModel.Values(onGpu.Model);
        }

        var options = TinyModel.Options with { AdamEpsilon = 1e-3 };
        var (plain, saving) = (Trained(options), Trained(options with { Recompute = recompute, Offload = true }));

        Assert.InRange(Distance(saving, plain), 0, 1e-5);
    }

    public void Dispose() => _scope?.Dispose();

    private static string Name(ModelConfig model) => model == TinyModels.LlamaWithBiases ? "biases" : model.ModelType;

    private static CausalLm Model(string name, ScalarType dtype, bool rounded = false)
    {
        var config = TinyModels.All.First(model => Name(model) == name) with { HeadDim = 8 };
        using var onHost = TinyModels.Random(config, seed: 5, rounded || dtype == ScalarType.BFloat16 ? ScalarType.BFloat16 : dtype);
        return CudaPolicy.Copy(onHost, dtype).Model;
    }

    // The weighted sum of all log-probabilities; the weights differ, and some are 0.
    private static Dictionary<string, float[]> Gradients(
        CausalLm model, bool autograd, TokenSequence[]? sequences = null, int times = 1,
        Recomputation recompute = Recomputation.None)
    {
        var rows = sequences ?? Sequences;
        using var optimizer = new AdamW(OptimizedParameter.Of(model), new AdamWOptions(0.9, 0.999, 1e-8, 0));
        using var passes = new CompletionPasses(model, Temperature, autograd: autograd, recompute: recompute) { Optimizer = optimizer };
        Assert.Equal(autograd, passes.Tools is null);
        using var input = new MicroBatchInput(rows, rows.Max(row => row.InputLength), model.Device);
        for (var i = 0; i < times; i++)
        {
            passes.Of(model).Backward(
                input, atOnce: true,
                (logprobs, start) => arange(start, start + logprobs.size(0), ScalarType.Float32, model.Device).remainder(Three));
            optimizer.Accumulate();
        }

        var gradients = model.named_parameters().ToDictionary(
            entry => entry.name, entry => Numbers(optimizer.GradientSum(entry.parameter)));
        optimizer.ZeroGradients();
        return gradients;
    }

    private static Scalar Three { get; } = 3.ToScalar();

    private static float[] All(Dictionary<string, float[]> gradients) => [.. gradients.Values.SelectMany(numbers => numbers)];

    private static float[] Numbers(Tensor tensor)
    {
        TorchTensors.Synchronize(tensor.device);
        return tensor.detach().to_type(ScalarType.Float32).cpu().contiguous().data<float>().ToArray();
    }

    /// <summary>‖left − right‖ / ‖right‖, NaN where either has one.</summary>
    private static double Distance(float[] left, float[] right)
    {
        double difference = 0, size = 0;
        foreach (var (l, r) in left.Zip(right))
        {
            difference += Math.Pow((double)l - r, 2);
            size += Math.Pow(r, 2);
        }

        return Math.Sqrt(difference / Math.Max(size, 1e-30));
    }

    // libtorch's allocator gives this memory out again: what a pass reads before it has written it, is NaN.
    private static void Poison()
    {
        using var nan = float.NaN.ToScalar();
        using var memory = full([256L << 20], nan, ScalarType.Float32, CUDA);
        TorchTensors.Synchronize(CUDA);
    }
}
