using FsCheck;
using FsCheck.Fluent;
using Rollout.Gpu.Adapters;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Execution;
using Rollout.Gpu.Tests.Execution;
using Xunit;

namespace Rollout.Gpu.Tests.Adapters;

/// <summary>Adapters of any targets, ranks and scales against the same adapter merged into the weights.</summary>
public sealed class PeftAdapterTests
{
    private static readonly string[] Projections =
        ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "lm_head"];

    private static readonly int[] Tokens = [3, 14, 15, 9, 26, 5, 35];

    [Fact]
    public void An_adapter_computes_what_its_merged_weights_compute()
    {
        Prop.ForAll((byte choice, PositiveInt size, bool isRankStabilized) =>
        {
            var rank = 1 + (size.Get % 6);
            var targets = Math.Max((byte)1, choice);
            string[] chosen = [.. Projections.Where((_, i) => (targets >> i & 1) == 1)];
            using var adapter = new AdapterFolder();
            adapter.Config["target_modules"] = chosen;
            adapter.Config["r"] = rank;
            adapter.Config["use_rslora"] = isRankStabilized;
            AssertEqualsMerged(
                adapter, module => IsOf(module, chosen) ? rank : null,
                _ => 6 / (isRankStabilized ? Math.Sqrt(rank) : rank), size.Get);
        }).Holds(runs: 40, size: 40);
    }

    [Fact]
    public void Rank_and_alpha_patterns_hold_for_the_modules_that_they_match()
    {
        using var adapter = new AdapterFolder();
        adapter.Config["target_modules"] = @".*\.(q_proj|down_proj)";
        adapter.Config["rank_pattern"] = new Dictionary<string, int> { [@"layers\.1\.mlp\.down_proj"] = 5, ["^q_proj"] = 9 };
        adapter.Config["alpha_pattern"] = new Dictionary<string, int> { ["q_proj"] = 12 };
        AssertEqualsMerged(
            adapter,
            module => module == "model.layers.1.mlp.down_proj" ? 5 : IsOf(module, ["q_proj", "down_proj"]) ? 3 : null,
            module => module.EndsWith("q_proj", StringComparison.Ordinal) ? 4 : module.Contains('1') ? 6.0 / 5 : 2,
            seed: 1);
    }

    [Fact]
    public void Layers_and_excluded_modules_limit_the_targets()
    {
        using var adapter = new AdapterFolder();
        adapter.Config["target_modules"] = "all-linear";
        adapter.Config["exclude_modules"] = new[] { "mlp.up_proj" };
        adapter.Config["layers_to_transform"] = new[] { 1 };
        AssertEqualsMerged(
            adapter,
            module => module.Contains("layers.1.", StringComparison.Ordinal) && !module.EndsWith("up_proj", StringComparison.Ordinal)
                ? 3 : null,
            _ => 2,
            seed: 1);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(0)]
    public void An_adapter_that_is_zero_changes_no_bit(int rank)
    {
        using var weights = TinyPolicy.Create(seed: 5);
        var expected = TinyPolicy.Recompute(weights, Tokens);
        using var adapter = new AdapterFolder();
        adapter.Config["r"] = rank;
        adapter.Write(
            weights.Model, module => rank > 0 && IsOf(module, ["q_proj", "v_proj"]) ? rank : null, seed: 1, isZero: true);

        PeftAdapter.Apply(weights.Model, adapter.Path);

        Assert.Equal(expected, TinyPolicy.Recompute(weights, Tokens));
    }

    [Fact]
    public void Logprobs_with_an_adapter_do_not_depend_on_the_batch()
    {
        using var weights = TinyPolicy.Create(seed: 5);
        using var adapter = new AdapterFolder();
        adapter.Config["target_modules"] = Projections;
        adapter.Write(weights.Model, module => IsOf(module, Projections) ? 3 : null, seed: 2);
        PeftAdapter.Apply(weights.Model, adapter.Path);
        var prompts = TinyPolicy.Prompts(new Random(1), [5, 1, 9, 13, 2]);

        var together = Generate(prompts);
        foreach (var (prompt, expected) in prompts.Zip(together))
        {
            var alone = Generate([prompt]).Single();
            Assert.Equal(expected.Tokens, alone.Tokens);
            Assert.Equal(expected.Logprobs, alone.Logprobs);
        }

        Generated[] Generate(int[][] some)
        {
            using var runner = TinyPolicy.Paged(weights, blocks: 64, blockSize: 4, RowPadding.Measure());
            return new StepDriver(runner).Generate(
                some, samples: 1, new SamplingParams { MaxTokens = 12, Temperature = 0 }, _ => 12);
        }
    }

    private static void AssertEqualsMerged(
        AdapterFolder adapter, Func<string, int?> rankOf, Func<string, double> scaleOf, int seed)
    {
        using var merged = TinyPolicy.Create(seed: 5);
        using var adapted = TinyPolicy.Create(seed: 5);
        var unchanged = TinyPolicy.Recompute(adapted, Tokens);
        adapter.Write(adapted.Model, rankOf, seed);
        adapter.MergeInto(merged.Model, scaleOf);

        PeftAdapter.Apply(adapted.Model, adapter.Path);

        var expected = TinyPolicy.Recompute(merged, Tokens);
        var actual = TinyPolicy.Recompute(adapted, Tokens);
        var changed = false;
        for (var token = 0; token < Tokens.Length; token++)
        {
            for (var word = 0; word < TinyPolicy.Vocabulary; word++)
            {
                Assert.Equal(expected[token, word], actual[token, word], 1e-3f);
                changed |= Math.Abs(unchanged[token, word] - actual[token, word]) > 1e-3f;
            }
        }

        Assert.True(changed, "The adapter should change a log-probability.");
    }

    private static bool IsOf(string module, string[] targets) =>
        targets.Any(target => module == target || module.EndsWith($".{target}", StringComparison.Ordinal));
}
