using Rollout.Gpu.Adapters;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Tests.Execution;
using Rollout.Gpu.Tests.Support;
using Rollout.Gpu.Weights;
using Xunit;

namespace Rollout.Gpu.Tests.Adapters;

/// <summary>Decoding with adapters that PEFT wrote, against what PEFT and transformers computed with them.</summary>
public sealed class PeftGoldenTests
{
    private const double Tolerance = 1e-4;

    [Theory]
    [InlineData("lora-stories260K", "stories260K", true)]
    [InlineData("lora-stories260K", "stories260K", false)]
    [InlineData("lora-tiny-qwen3", "lora-base-qwen3", true)]
    [InlineData("lora-tiny-qwen3", "lora-base-qwen3", false)]
    public void Greedy_tokens_and_logprobs_equal_those_of_peft(string fixture, string baseModel, bool isPaged)
    {
        var cases = GoldenCase.Of(fixture);
        using var weights = new PolicyWeights(GoldenCase.Model(baseModel), new PolicyVersion(1));
        PeftAdapter.Apply(weights.Model, SharedFixtures.Require(fixture));
        var longest = cases.Max(golden => golden.Prompt.Length + golden.Greedy.Length);
        using var runner = isPaged
            ? TinyPolicy.Paged(weights, blocks: cases.Length * (longest / 4 + 1), blockSize: 4)
            : TinyPolicy.Contiguous(weights, cases.Length, longest);

        var sequences = new StepDriver(runner).Generate(
            [.. cases.Select(golden => golden.Prompt.Select(token => (int)token).ToArray())], samples: 1,
            new SamplingParams { MaxTokens = longest, Temperature = 0 }, i => cases[i].Greedy.Length);

        foreach (var (golden, sequence) in cases.Zip(sequences))
        {
            Assert.Equal(golden.Greedy, sequence.Tokens.Skip(golden.Prompt.Length).Select(token => (long)token));
            Assert.All(
                golden.GreedyLogprobs.Zip(sequence.Logprobs),
                pair => Assert.Equal(pair.First, pair.Second, Tolerance));
        }
    }
}
