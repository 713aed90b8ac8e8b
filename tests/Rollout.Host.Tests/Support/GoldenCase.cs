using System.Text.Json;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Xunit;

namespace Rollout.Host.Tests.Support;

/// <summary>What transformers computed greedily for one prompt.</summary>
/// <param name="Prompt">Token ids.</param>
/// <param name="Greedy">The tokens that follow.</param>
/// <param name="GreedyLogprobs">Their log-probabilities.</param>
internal sealed record GoldenCase(int[] Prompt, int[] Greedy, double[] GreedyLogprobs)
{
    private const double Tolerance = 1e-4;

    private static readonly JsonSerializerOptions SnakeCase = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
    };

    /// <summary>Checkpoints of shared/ that have golden outputs.</summary>
    public static readonly string[] Models = ["tiny-qwen3", "tiny-qwen2", "tiny-llama3", "stories260K"];

    /// <summary>The folders of those checkpoints in shared/.</summary>
    public static string[] Fixtures => [.. Models.Select(model => $"fixtures/{model}")];

    public static GoldenCase[] Read(string model) => JsonSerializer.Deserialize<GoldenCase[]>(
        File.ReadAllBytes(Path.Combine(TestFiles.Shared($"fixtures/{model}")!, "golden.json")), SnakeCase)!;

    /// <summary>
    /// A golden checkpoint's configuration. tiny-qwen3's outputs were computed with a RoPE base of 10,000, and its
    /// config.json says 1,000,000, which transformers 5.17 would use too: the base is set to the one of the outputs.
    /// </summary>
    public static ModelConfig Config(string model)
    {
        var config = ModelConfigReader.ReadFolder(TestFiles.Shared($"fixtures/{model}")!);
        return model == "tiny-qwen3" ? config with { Rope = config.Rope with { Theta = 10_000 } } : config;
    }

    public GroupRequest Request(long id) => new(
        new GroupId(id), Prompt, [new SamplingParams { MaxTokens = Greedy.Length, Temperature = 0 }]);

    public void AssertEqual(int[] tokens, float[] logprobs)
    {
        Assert.Equal(Greedy, tokens);
        Assert.Equal(GreedyLogprobs.Length, logprobs.Length);
        for (var i = 0; i < logprobs.Length; i++)
            Assert.Equal(GreedyLogprobs[i], logprobs[i], Tolerance);
    }
}
