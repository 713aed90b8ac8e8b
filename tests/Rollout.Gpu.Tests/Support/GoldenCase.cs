using System.Text.Json;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Gpu.Weights;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Support;

/// <summary>A prompt and what transformers computed after it, in single precision on a CPU.</summary>
internal sealed record GoldenCase(
    long[] Prompt, long[] Greedy, double[] GreedyLogprobs, double[] LastLogitsHead, double[] PromptLogprobs)
{
    private static readonly JsonSerializerOptions SnakeCase = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
    };

    /// <summary>The cases of a fixture; skips the calling test where it isn't there.</summary>
    public static GoldenCase[] Of(string fixture) => JsonSerializer.Deserialize<GoldenCase[]>(
        File.ReadAllBytes(Path.Combine(SharedFixtures.Require(fixture), "golden.json")), SnakeCase)!;

    /// <summary>
    /// The fixture's model on the CPU. The outputs of tiny-qwen3 were computed with the default base of 10,000 (they
    /// agree with it to 1e-6), but its config.json states 1,000,000, as Qwen3's does. The file is what a loader must
    /// believe, so the base is set here; everything else of Qwen3 is compared all the same.
    /// </summary>
    public static CausalLm Model(string fixture)
    {
        var folder = SharedFixtures.Require(fixture);
        var config = ModelConfigReader.ReadFolder(folder);
        var model = new CausalLm(
            fixture == "tiny-qwen3" ? config with { Rope = new RopeSettings() } : config, ScalarType.Float32, CPU);
        WeightLoader.Load(model, folder);
        return model;
    }
}
