using Rollout.Gpu.Models;
using Rollout.Gpu.Tests.Support;
using Rollout.Gpu.Training;
using Xunit;

namespace Rollout.Gpu.Tests.Training;

public sealed class GreedyAccuracyTests
{
    [Theory]
    [InlineData(1000)]
    [InlineData(12)]
    public void Is_the_share_of_completions_that_greedy_decoding_by_recomputation_gives(int microBatchTokens)
    {
        using var model = TinyModel.Create(seed: 3);
        var pairs = Enumerable.Range(0, 10).Select(i =>
        {
            int[] prompt = [.. Enumerable.Range(0, 1 + (i % 4)).Select(k => ((7 * i) + (3 * k)) % TinyModel.Vocabulary)];
            var completion = Greedy(model, prompt, length: 1 + (i % 5));
            if (i % 3 == 0)
                completion[^1] = (completion[^1] + 1) % TinyModel.Vocabulary;
            return (prompt, completion);
        }).ToArray();

        // Four of the pairs end in a wrong token.
        var (right, tokens) = GreedyAccuracy.Of(model, pairs, microBatchTokens);
        Assert.Equal(0.6, right, 12);
        Assert.Equal(1 - (4.0 / pairs.Sum(pair => pair.completion.Length)), tokens, 12);
    }

    private static int[] Greedy(CausalLm model, int[] prompt, int length)
    {
        var tokens = prompt.Select(token => (long)token).ToList();
        for (var i = 0; i < length; i++)
        {
            using var logits = TinyModels.Logits(model, [.. tokens]);
            using var best = logits.argmax(-1);
            tokens.Add(best[0, ^1].item<long>());
        }
        return [.. tokens.Skip(prompt.Length).Select(token => (int)token)];
    }
}
