using Rollout.Gpu.Contracts;
using Rollout.Gpu.Execution;
using Rollout.Gpu.Interop;
using Xunit;
using static Rollout.Gpu.Tests.Execution.TinyPolicy;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Execution;

public sealed class RowPaddingTests
{
    private static readonly SamplingParams Sampled = new() { MaxTokens = 1, Seed = 11, TopP = 0.9f };

    [Theory]
    [InlineData(24, 40)]
    [InlineData(96, 384)]
    [InlineData(384, 1152)]
    [InlineData(1000, 333)]
    public void A_padded_product_has_the_same_bits_as_any_larger_one(int inputs, int outputs)
    {
        LibTorch.Load();
        using var scope = NewDisposeScope();
        var padding = RowPadding.Measure();
        var weight = randn(outputs, inputs);
        var input = randn(300, inputs);
        var expected = nn.functional.linear(input, weight);
        for (var rows = 1; rows <= 40; rows++)
        {
            using var step = NewDisposeScope();
            var padded = cat([input.narrow(0, 0, rows), zeros(padding.Padded(rows) - rows, inputs)], 0);
            var product = nn.functional.linear(padded, weight).narrow(0, 0, rows);
            Assert.True(product.eq(expected.narrow(0, 0, rows)).all().data<bool>()[0], $"{rows} rows differ");
        }
    }

    [Theory]
    [InlineData(4, 2, 8)]
    [InlineData(5, 5, 6)]
    public void Log_probabilities_do_not_depend_on_the_batch(int heads, int kvHeads, int headDim)
    {
        using var weights = Create(seed: 8, heads, kvHeads, headDim);
        var prompts = Prompts(new Random(4), [1, 5, 16, 17, 60, 33, 2, 7]);
        using var runner = Paged(weights, 400, 16, RowPadding.Measure());
        var together = new StepDriver(runner).Generate(prompts, 2, Sampled, _ => 8);
        var chunked = new StepDriver(runner, blockOrder: 3).Generate(prompts, 2, Sampled, _ => 8, chunk: 5);

        Assert.Equal(Tokens(together), Tokens(chunked));
        Assert.Equal(together.Select(one => one.Logprobs), chunked.Select(one => one.Logprobs));

        // The first prompt alone is the same group with the same randomness.
        var alone = new StepDriver(runner, blockOrder: 5).Generate([prompts[0]], 2, Sampled, _ => 8);
        Assert.Equal(together.Take(2).Select(one => one.Logprobs), alone.Select(one => one.Logprobs));
    }

    [Fact]
    public void Without_batch_invariance_nothing_is_padded()
    {
        Assert.Equal([1, 2, 3, 100], ((int[])[1, 2, 3, 100]).Select(RowPadding.None.Padded));
        LibTorch.Load();
        Assert.Equal(100, RowPadding.Measure().Padded(100));
    }

    private static int[][] Tokens(Generated[] sequences) => [.. sequences.Select(one => one.Tokens.ToArray())];
}
