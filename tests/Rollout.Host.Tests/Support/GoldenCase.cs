using System.Text.Json;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
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

    public static GoldenCase[] Read(string model) => JsonSerializer.Deserialize<GoldenCase[]>(
        File.ReadAllBytes(Path.Combine(SharedFixtures.Find($"fixtures/{model}")!, "golden.json")), SnakeCase)!;

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
