using Rollout.Gpu.Contracts;
using Rollout.Gpu.Execution;
using Rollout.Gpu.Tests.Sampling;
using Rollout.Gpu.Weights;
using TorchSharp;
using Xunit;
using static Rollout.Gpu.Tests.Execution.TinyPolicy;

namespace Rollout.Gpu.Tests.Execution;

public sealed class ModelRunnerTests
{
    private static readonly SamplingParams Greedy = new() { Temperature = 0, MaxTokens = 1 };
    private static readonly SamplingParams Sampled = new() { MaxTokens = 1, Seed = 11 };

    [Theory]
    [InlineData(1, 1, 4, 2)]
    [InlineData(3, 4, 1, 1)]
    [InlineData(4, 16, 6, 2)]
    [InlineData(8, 32, 6, 1)]
    [InlineData(16, 16, 4, 4)]
    public void Greedy_tokens_of_paged_contiguous_and_full_recomputation_are_equal(
        int groups, int blockSize, int heads, int kvHeads)
    {
        const int Samples = 4;
        using var weights = Create(seed: (ulong)(blockSize + groups), heads, kvHeads);
        var random = new Random(blockSize);
        int[] lengths = [1, 2, blockSize, blockSize + 1, (2 * blockSize) - 1, 200, 33, 64];
        var prompts = Prompts(random, Enumerable.Range(0, groups).Select(i => lengths[i % lengths.Length]));
        int NewTokens(int sequence) => 1 + (sequence * 7 % 13);

        using var paged = Paged(weights, 2000, blockSize);
        using var contiguous = Contiguous(weights, groups * Samples, longest: 220);
        var driver = new StepDriver(paged);
        var ours = driver.Generate(prompts, Samples, Greedy, NewTokens);
        var baseline = new StepDriver(contiguous).Generate(prompts, Samples, Greedy, NewTokens);

        Assert.Equal(2000, driver.FreeBlocks);
        Assert.Equal(Tokens(baseline), Tokens(ours));
        Assert.All(ours.Index(), item => Assert.Equal(NewTokens(item.Index), item.Item.Logprobs.Count));
        foreach (var sequence in ours)
            AssertRecomputed(weights, sequence);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(16)]
    public void A_chunked_prompt_gives_the_tokens_of_a_whole_prompt(int chunk)
    {
        using var weights = Create(seed: 3);
        var prompts = Prompts(new Random(1), [1, 5, 16, 17, 60, 101]);
        using var runner = Paged(weights, 400, 16);
        var whole = new StepDriver(runner).Generate(prompts, 2, Sampled, _ => 8);
        var chunked = new StepDriver(runner, blockOrder: 5).Generate(prompts, 2, Sampled, _ => 8, chunk);
        Assert.Equal(Tokens(whole), Tokens(chunked));
    }

    [Fact]
    public void A_cached_prefix_gives_the_tokens_of_a_whole_prompt()
    {
        using var weights = Create(seed: 4);
        var prompts = Prompts(new Random(2), [40, 33, 80, 35]);
        foreach (var prompt in prompts)
            prompts[0].AsSpan(0, 32).CopyTo(prompt);
        using var runner = Paged(weights, 400, 16);
        var plain = new StepDriver(runner);
        var whole = plain.Generate(prompts, 2, Sampled, _ => 8);
        var sharing = new StepDriver(runner, blockOrder: 7);
        Assert.Equal(Tokens(whole), Tokens(sharing.Generate(prompts, 2, Sampled, _ => 8, cached: 32)));
        Assert.True(sharing.Peak < plain.Peak, $"{sharing.Peak} blocks shared, {plain.Peak} without sharing");
        Assert.Equal(400, sharing.FreeBlocks);
    }

    [Fact]
    public void Permuted_blocks_and_other_block_sizes_change_nothing()
    {
        using var weights = Create(seed: 5, heads: 5, kvHeads: 5, headDim: 6);
        var prompts = Prompts(new Random(3), [7, 100, 1, 31]);
        var results = new List<int[][]>();
        foreach (var (blockSize, order) in ((int, int)[])[(16, 0), (16, 1), (16, 2), (1, 3), (5, 4)])
        {
            using var runner = Paged(weights, 1500, blockSize);
            results.Add(Tokens(new StepDriver(runner, order).Generate(prompts, 3, Sampled, _ => 20)));
        }

        Assert.All(results, tokens => Assert.Equal(results[0], tokens));
    }

    [Fact]
    public void A_sequences_tokens_do_not_depend_on_its_neighbours()
    {
        using var weights = Create(seed: 6);
        var prompts = Prompts(new Random(4), [9, 30, 70]);
        using var runner = Paged(weights, 600, 16);
        var together = new StepDriver(runner).Generate(prompts, 8, Sampled, _ => 15);
        var alone = new StepDriver(runner).Generate(prompts[..1], 8, Sampled, _ => 15);
        Assert.Equal(Tokens(together)[..8], Tokens(alone));
        Assert.True(Tokens(alone).Distinct(ArrayComparer).Count() > 1, "the samples of a group are all alike");
    }

    [Theory]
    [InlineData(0, 0.7f, 0f)]
    [InlineData(5, 1f, 0f)]
    [InlineData(0, 1f, 0.1f)]
    [InlineData(9, 0.9f, 0.05f)]
    public void Filtered_tokens_have_their_logprobs_in_the_whole_softmax_and_among_the_kept(int topK, float topP, float minP)
    {
        using var weights = Create(seed: 8);
        using var runner = Paged(weights, 200, 8);
        var sampling = Sampled with { TopK = topK, TopP = topP, MinP = minP, Temperature = 1.3f };
        foreach (var sequence in new StepDriver(runner).Generate(Prompts(new Random(6), [3, 21]), 3, sampling, _ => 20))
        {
            var logits = Recompute(weights, sequence.Tokens);
            for (var i = 0; i < sequence.Logprobs.Count; i++)
            {
                var position = sequence.Prompt.Length + i;
                float[] row = [.. Enumerable.Range(0, Vocabulary).Select(token => logits[position - 1, token])];
                var p = ReferenceSampler.Probabilities(row, sampling.Temperature);
                var kept = ReferenceSampler.Keep(row, sampling);
                Assert.Contains(sequence.Tokens[position], kept);
                var own = p[sequence.Tokens[position]];
                Assert.Equal(Math.Log(own), sequence.Logprobs[i], 1e-4);
                Assert.Equal(Math.Log(own / kept.Sum(token => p[token])), sequence.SamplingLogprobs[i], 1e-4);
            }
        }
    }

    [Fact]
    public void Reported_logprobs_are_those_of_a_recomputation()
    {
        using var weights = Create(seed: 7);
        using var runner = Paged(weights, 200, 8);
        var prompts = Prompts(new Random(5), [3, 21]);
        foreach (var sequence in new StepDriver(runner).Generate(prompts, 3, Sampled, _ => 30))
        {
            var logprobs = Recompute(weights, sequence.Tokens);
            for (var i = 0; i < sequence.Logprobs.Count; i++)
            {
                var position = sequence.Prompt.Length + i;
                Assert.Equal(logprobs[position - 1, sequence.Tokens[position]], sequence.Logprobs[i], 1e-4);
            }
        }
    }

    [Fact]
    public void An_empty_batch_gives_an_empty_output()
    {
        using var weights = Create(seed: 8);
        using var runner = Paged(weights, 4, 8);
        runner.Start(new ForwardBatch());
        Assert.Equal(0, runner.Finish().Count);
    }

    [Fact]
    public void Thousands_of_steps_leave_no_tensor_behind()
    {
        using var weights = Create(seed: 9);
        using var paged = Paged(weights, 64, 8);
        using var contiguous = Contiguous(weights, 8, 64);
        foreach (var runner in (ModelRunner[])[paged, contiguous])
        {
            var prompts = Prompts(new Random(6), [3, 20, 11]);
            Generate(runner, prompts);
            var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
            for (var i = 0; i < 30; i++)
                Generate(runner, prompts); // 41 steps each
            Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        }

        static void Generate(ModelRunner runner, int[][] prompts) =>
            new StepDriver(runner).Generate(prompts, 2, Sampled, _ => 40, chunk: 12);
    }

    [Fact]
    public void Training_mode_is_restored_also_when_a_step_throws()
    {
        using var weights = Create(seed: 10);
        using var runner = Paged(weights, 4, 8);
        weights.Model.train();
        Assert.Throws<ArgumentException>(() => runner.Start(OutsideThePool()));
        Assert.True(weights.Model.training);
        runner.Start(new ForwardBatch());
        runner.Finish();
        Assert.True(weights.Model.training);
        Assert.False(torch.is_inference_mode_enabled());
        weights.Model.eval();
        Assert.Throws<ArgumentException>(() => runner.Start(OutsideThePool()));
        Assert.False(weights.Model.training);
    }

    [Theory]
    [InlineData(Vocabulary)]
    [InlineData(-1)]
    [InlineData(int.MinValue)]
    [InlineData(int.MaxValue)]
    public void A_token_id_outside_of_the_vocabulary_names_its_row_and_starts_nothing(int token)
    {
        using var weights = Create(seed: 12);
        using var runner = Paged(weights, 4, 8);
        var fault = Assert.Throws<RowFaultException>(() => runner.Start(TwoPrompts([3, 5], [2, token, 4])));
        Assert.Equal([1], fault.Rows);
        Assert.Equal(
            $"Row 1 of the batch holds token ids outside of the vocabulary, such as {token}; expected 0 to 60.",
            fault.Message);
        runner.Start(TwoPrompts([3, 5], [2, 3, 4]));
        Assert.Equal(2, runner.Finish().Count);
    }

    [Fact]
    public void Logits_that_are_not_finite_name_their_draw_when_the_step_finishes()
    {
        using var weights = Create(seed: 13);
        using var runner = Paged(weights, 4, 8);
        using (torch.no_grad())
        using (Scalar nan = float.NaN)
            weights.Model.Stack.EmbedTokens.Weight.select(0, 7).fill_(nan);
        runner.Start(TwoPrompts([3, 5], [2, 7, 4]));
        Assert.Equal([1], Assert.Throws<DrawFaultException>(() => runner.Finish()).Draws);
        runner.Start(TwoPrompts([3, 5], [2, 3, 4]));
        Assert.Equal(2, runner.Finish().Count);
    }

    [Fact]
    public void Only_the_published_version_can_be_loaded()
    {
        using var weights = Create(seed: 11);
        using var runner = Paged(weights, 4, 8);
        Assert.Equal(new PolicyVersion(1), runner.Version);
        weights.Publish(new PolicyVersion(2));
        Assert.Equal(new PolicyVersion(1), runner.Version);
        var error = Assert.Throws<InvalidOperationException>(() => runner.LoadWeights(new PolicyVersion(3)));
        Assert.Equal("Asked to load policy 3, but the weights published are policy 2.", error.Message);
        runner.LoadWeights(new PolicyVersion(2));
        Assert.Equal(new PolicyVersion(2), runner.Version);
    }

    private static readonly EqualityComparer<int[]> ArrayComparer = EqualityComparer<int[]>.Create(
        (a, b) => a!.SequenceEqual(b!), a => a.Length);

    private static ForwardBatch OutsideThePool() => new()
    {
        TokenCount = 1,
        RowCount = 1,
        TokenIds = [1],
        Positions = [0],
        SlotMapping = [99],
        QueryStart = [0, 1],
        ContextLengths = [1],
        BlockTableStart = [0, 1],
        BlockTables = [12],
    };

    // Each prompt whole in a block of its own, with one draw.
    private static ForwardBatch TwoPrompts(int[] first, int[] second) => new()
    {
        TokenCount = first.Length + second.Length,
        RowCount = 2,
        DrawCount = 2,
        TokenIds = [.. first, .. second],
        Positions = [.. Enumerable.Range(0, first.Length), .. Enumerable.Range(0, second.Length)],
        SlotMapping = [.. Enumerable.Range(0, first.Length), .. Enumerable.Range(8, second.Length)],
        QueryStart = [0, first.Length, first.Length + second.Length],
        ContextLengths = [first.Length, second.Length],
        BlockTableStart = [0, 1, 2],
        BlockTables = [0, 1],
        Draws = [new Draw(0, first.Length, 1, Sampled), new Draw(1, second.Length, 2, Sampled)],
    };

    private static int[][] Tokens(Generated[] sequences) =>
        [.. sequences.Select(sequence => sequence.Tokens.ToArray())];

    private static void AssertRecomputed(PolicyWeights weights, Generated sequence)
    {
        var logprobs = Recompute(weights, sequence.Tokens);
        for (var position = sequence.Prompt.Length; position < sequence.Tokens.Count; position++)
        {
            var best = Enumerable.Range(0, Vocabulary).MaxBy(token => logprobs[position - 1, token]);
            Assert.Equal(best, sequence.Tokens[position]);
        }
    }
}
