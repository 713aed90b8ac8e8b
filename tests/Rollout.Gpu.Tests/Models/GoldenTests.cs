using System.Text.Json;
using Rollout.Gpu.Models;
using Rollout.Gpu.Tests.Support;
using Rollout.Gpu.Weights;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Models;

/// <summary>The model against what transformers computed from the same checkpoints, in single precision.</summary>
public sealed class GoldenTests
{
    private const double Tolerance = 1e-4;

    private static readonly JsonSerializerOptions SnakeCase = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
    };

    private sealed record Case(
        long[] Prompt, long[] Greedy, double[] GreedyLogprobs, double[] LastLogitsHead, double[] PromptLogprobs);

    [Theory]
    [InlineData("tiny-qwen3")]
    [InlineData("tiny-qwen2")]
    [InlineData("tiny-llama3")]
    [InlineData("stories260K")]
    public void Logits_logprobs_and_greedy_tokens_are_those_of_transformers(string fixture)
    {
        var folder = SharedFixtures.Require(fixture);
        using var model = HuggingFaceModel.Load(folder, ScalarType.Float32, CPU);
        var cases = JsonSerializer.Deserialize<Case[]>(File.ReadAllBytes(Path.Combine(folder, "golden.json")), SnakeCase)!;
        Assert.NotEmpty(cases);
        foreach (var golden in cases)
            Check(model, golden);
    }

    private static void Check(CausalLm model, Case golden)
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
        AssertClose(golden.LastLogitsHead, [.. head.Take(golden.LastLogitsHead.Length).Select(x => (double)x)]);

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
