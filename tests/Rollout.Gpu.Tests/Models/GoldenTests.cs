using Rollout.Gpu.Models;
using Rollout.Gpu.Tests.Support;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Models;

/// <summary>
/// The model against what transformers computed from the same checkpoints, in single precision.
/// </summary>
public sealed class GoldenTests
{
    private const double Tolerance = 1e-4;

    [Theory]
    [InlineData("tiny-qwen2")]
    [InlineData("tiny-llama3")]
    [InlineData("stories260K")]
    public void Logits_logprobs_and_greedy_tokens_equal_those_of_transformers(string fixture)
    {
        CheckAll(fixture);
    }

    /// <summary>At the base that its outputs were made with, see <see cref="GoldenCase.Model"/>.</summary>
    [Fact]
    public void Qwen3_computes_the_same_as_transformers()
    {
        Assert.Equal(1_000_000, ModelConfigReader.ReadFolder(SharedFixtures.Require("tiny-qwen3")).Rope.Theta);
        CheckAll("tiny-qwen3");
    }

    private static void CheckAll(string fixture)
    {
        using var model = GoldenCase.Model(fixture);
        var cases = GoldenCase.Of(fixture);
        Assert.NotEmpty(cases);
        foreach (var golden in cases)
            Check(model, golden);
    }

    private static void Check(CausalLm model, GoldenCase golden)
    {
        var sequence = golden.Prompt.ToList();
        foreach (var expected in golden.Greedy)
        {
            using var scope = NewDisposeScope();
            using var logits = TinyModels.Logits(model, [.. sequence]);
            Assert.Equal(expected, logits[0, -1].argmax().item<long>());
            sequence.Add(expected);
        }

        using var outer = NewDisposeScope();
        var all = TinyModels.Logits(model, [.. sequence])[0];
        var head = all[golden.Prompt.Length - 1].data<float>().ToArray();
        AssertClose(golden.LastLogitsHead,
            [.. head.Take(golden.LastLogitsHead.Length).Select(x => (double)x)]);

        var logprobs = all.log_softmax(-1);
        double[] ofNext = [.. Enumerable.Range(1, sequence.Count - 1)
            .Select(i => (double)logprobs[i - 1, sequence[i]].item<float>())];
        AssertClose([.. golden.PromptLogprobs, .. golden.GreedyLogprobs], ofNext);
    }

    private static void AssertClose(double[] expected, double[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i], actual[i], Tolerance);
    }
}
