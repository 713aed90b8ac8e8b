using Rollout.Gpu.Adapters;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Execution;
using Rollout.Gpu.Tests.Adapters;
using Rollout.Gpu.Tests.Kernels;
using Rollout.Gpu.Tests.Support;
using Rollout.Gpu.Weights;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Execution;

/// <summary>Decoding with LoRA adapters on a GPU, against PEFT, and against libtorch's forward pass.</summary>
[Collection(GpuTests.Name)]
public sealed class CudaAdapterTests
{
    private const int Samples = 3;

    private static readonly SamplingParams Greedy = new() { Temperature = 0, MaxTokens = 1 };

    public CudaAdapterTests() => GpuMachine.Require();

    [Theory]
    [InlineData("lora-stories260K", "stories260K", true)]
    [InlineData("lora-stories260K", "stories260K", false)]
    [InlineData("lora-tiny-qwen3", "lora-base-qwen3", true)]
    [InlineData("lora-tiny-qwen3", "lora-base-qwen3", false)]
    public void Groups_get_the_greedy_tokens_of_peft_with_graphs_and_without(string fixture, string baseModel, bool graphs)
    {
        var cases = GoldenCase.Of(fixture);
        using var weights = Adapted(fixture, baseModel);
        using var runner = CudaPolicy.Runner(weights, graphs: graphs);
        AssertGolden(cases, Samples, new StepDriver(runner, blockOrder: 3).Generate(
            Prompts(cases), Samples, Greedy, i => cases[i / Samples].Greedy.Length));
    }

    [Theory]
    [InlineData("lora-stories260K", "stories260K")]
    [InlineData("lora-tiny-qwen3", "lora-base-qwen3")]
    public void The_contiguous_engine_gets_the_greedy_tokens_of_peft(string fixture, string baseModel)
    {
        var cases = GoldenCase.Of(fixture);
        using var weights = Adapted(fixture, baseModel);
        var longest = cases.Max(golden => golden.Prompt.Length + golden.Greedy.Length);
        using var runner = ModelRunners.CreateContiguous(
            weights, new KvCacheGeometry(cases.Length, longest), threads: 1, batchInvariant: false);
        AssertGolden(cases, 1, new StepDriver(runner).Generate(
            Prompts(cases), 1, Greedy, i => cases[i].Greedy.Length));
    }

    [Fact]
    public void Parts_of_other_ranks_and_scales_equal_libtorchs_forward_in_bfloat16()
    {
        using var weights = CudaPolicy.Wide(layers: 2);
        using var folder = Mixed(weights);
        PeftAdapter.Apply(weights.Model, folder.Path);
        Generated[] Run(bool graphs)
        {
            using var runner = CudaPolicy.Runner(weights, graphs: graphs);
            return new StepDriver(runner).Generate(
                TinyPolicy.Prompts(new Random(10), [200, 65, 1]), 4, new SamplingParams { MaxTokens = 1, Seed = 11 }, _ => 16);
        }

        var (with, without) = (Run(graphs: true), Run(graphs: false));

        Assert.Equal(without.Select(one => one.Logprobs), with.Select(one => one.Logprobs));
        Assert.InRange(MeanDifference(weights, with), 0, 0.02);
    }

    [Fact]
    public void A_decoder_computes_with_an_adapter_that_has_changed()
    {
        using var weights = CudaPolicy.Wide(layers: 1);
        using var folder = Mixed(weights);
        PeftAdapter.Apply(weights.Model, folder.Path);
        using var runner = CudaPolicy.Runner(weights);
        using (no_grad())
        {
            foreach (var part in weights.Model.Projections().SelectMany(projection => projection.Adapter?.Parts ?? []))
                part.B.neg_();
        }

        cuda.synchronize();
        weights.Publish(new PolicyVersion(2));
        runner.LoadWeights(new PolicyVersion(2));

        var generated = new StepDriver(runner).Generate(
            TinyPolicy.Prompts(new Random(4), [40, 9]), 2, new SamplingParams { MaxTokens = 1, Seed = 3 }, _ => 12);
        Assert.InRange(MeanDifference(weights, generated), 0, 0.02);
    }

    /// <summary>q and v of two ranks, so that a stacked product has rows without an adapter, and all of the MLP.</summary>
    private static AdapterFolder Mixed(PolicyWeights weights)
    {
        string[] targets = ["q_proj", "v_proj", "gate_proj", "up_proj", "down_proj"];
        var folder = new AdapterFolder();
        folder.Config["target_modules"] = targets;
        folder.Config["use_rslora"] = true;
        folder.Config["rank_pattern"] = new Dictionary<string, int> { ["v_proj"] = 16 };
        folder.Config["lora_alpha"] = 0.1; // sums of about the base's size
        folder.Config["alpha_pattern"] = new Dictionary<string, double> { ["up_proj"] = 0.03 };
        folder.Write(
            weights.Model,
            module => module.EndsWith("v_proj", StringComparison.Ordinal) ? 16
                : targets.Any(target => module.EndsWith(target, StringComparison.Ordinal)) ? 3 : null,
            seed: 2);
        return folder;
    }

    private static PolicyWeights Adapted(string fixture, string baseModel)
    {
        using var cpu = GoldenCase.Model(baseModel);
        var weights = CudaPolicy.Copy(cpu, ScalarType.Float32);
        PeftAdapter.Apply(weights.Model, SharedFixtures.Require(fixture));
        return weights;
    }

    private static int[][] Prompts(GoldenCase[] cases) =>
        [.. cases.Select(golden => golden.Prompt.Select(token => (int)token).ToArray())];

    private static void AssertGolden(GoldenCase[] cases, int samples, Generated[] sequences)
    {
        Assert.Equal(cases.Length * samples, sequences.Length);
        foreach (var (i, sequence) in sequences.Index())
        {
            var golden = cases[i / samples];
            Assert.Equal(golden.Greedy, sequence.Tokens.Skip(golden.Prompt.Length).Select(token => (long)token));
            Assert.All(
                golden.GreedyLogprobs.Zip(sequence.Logprobs), pair => Assert.Equal(pair.First, pair.Second, 1e-3));
        }
    }

    private static double MeanDifference(PolicyWeights weights, Generated[] sequences) => sequences.SelectMany(sequence =>
    {
        var exact = TinyPolicy.Recompute(weights, sequence.Tokens);
        return sequence.Logprobs.Select((logprob, i) => Math.Abs(
            logprob - (double)exact[sequence.Prompt.Length + i - 1, sequence.Tokens[sequence.Prompt.Length + i]]));
    }).Average();
}
