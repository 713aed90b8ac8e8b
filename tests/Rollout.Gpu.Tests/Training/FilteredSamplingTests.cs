using Rollout.Gpu.Contracts;
using Rollout.Gpu.Tests.Execution;
using Rollout.Gpu.Tests.Sampling;
using Rollout.Gpu.Training;
using Rollout.Gpu.Training.Losses;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Training;

/// <summary>Importance weights of tokens that were sampled with top-k, top-p or min-p.</summary>
public sealed class FilteredSamplingTests
{
    /// <summary>Σ_K μ·w over the kept tokens K is Σ_K π, divided by the sampler's Σ_K p where π is kept to K.</summary>
    [Theory]
    [InlineData(ImportanceSupport.Kept)]
    [InlineData(ImportanceSupport.All)]
    public void The_expected_weight_is_the_policys_mass_on_the_kept_tokens(ImportanceSupport support)
    {
        var random = new Random(3);
        for (var seed = 0; seed < 30; seed++)
        {
            using var sampler = TinyPolicy.Create((ulong)seed);
            using var trainer = TinyPolicy.Create((ulong)(seed % 3 == 0 ? seed : seed + 100));
            var prompt = TinyPolicy.Prompts(random, [5])[0];
            var sampling = new SamplingParams
            {
                MaxTokens = 1,
                Temperature = 0.5f + random.NextSingle(),
                TopP = 0.2f + (0.75f * random.NextSingle()),
            };
            var logits = LastRow(TinyPolicy.Recompute(sampler, prompt));
            var kept = ReferenceSampler.Keep(logits, sampling);
            var p = ReferenceSampler.Probabilities(logits, sampling.Temperature);
            var policy = ReferenceSampler.Probabilities(
                LastRow(TinyPolicy.Recompute(trainer, prompt)), sampling.Temperature);
            var (mass, policyMass) = (kept.Sum(token => p[token]), kept.Sum(token => policy[token]));

            var mean = ExpectedWeight(support, kept, p, policy, mass);

            Assert.Equal(support == ImportanceSupport.Kept ? policyMass / mass : policyMass, mean, 1e-5 * mean);
            if (seed % 3 == 0)
                Assert.Equal(support == ImportanceSupport.Kept ? 1 : mass, mean, 1e-5);
        }
    }

    [Theory]
    [InlineData(0, 0.7f, 0f)]
    [InlineData(4, 1f, 0f)]
    [InlineData(0, 1f, 0.1f)]
    [InlineData(8, 0.9f, 0.02f)]
    public void Where_nothing_changed_kept_weights_are_one_and_weights_of_all_are_the_kept_mass(
        int topK, float topP, float minP)
    {
        var sampling = new SamplingParams
        {
            MaxTokens = 1,
            Seed = 5,
            Temperature = 0.8f,
            TopK = topK,
            TopP = topP,
            MinP = minP,
        };
        var sampled = Sampled(sampling);
        var masses = sampled.Groups.SelectMany(group => group.Completions)
            .SelectMany(one => one.SamplerLogprobs.Zip(one.SamplingLogprobs!, (p, mu) => Math.Exp(p - mu)));

        var kept = Trained(ImportanceCorrection.SequenceMask, ImportanceSupport.Kept, sampled);
        var all = Trained(ImportanceCorrection.TokenTruncate, ImportanceSupport.All, sampled);

        Assert.Equal(1, kept.ImportanceWeightMean, 1e-4);
        Assert.Equal(1, kept.ImportanceWeightMax, 1e-3);
        Assert.Equal(0, kept.ImportanceOutside);
        Assert.Equal(masses.Average(), all.ImportanceWeightMean, 1e-4);
        Assert.True(all.ImportanceWeightMean < 0.99, "the filter kept nearly everything");
        Assert.InRange(kept.LogprobDifferenceMax, 0, 1e-4);
        Assert.InRange(all.LogprobDifferenceMax, 0, 1e-4);
    }

    [Fact]
    public void A_completion_that_lacks_a_log_probability_after_filters_is_refused()
    {
        var batch = TinyModel.Batch(2);
        var group = batch.Groups[1];
        var cut = group.Completions[0] with { SamplingLogprobs = [] };
        using var weights = TinyModel.Weights();
        using var trainer = new PolicyTrainer(weights, TinyModel.Options);

        var refused = Assert.Throws<ArgumentException>(() => trainer.Train(
            new TrainBatch([batch.Groups[0], group with { Completions = [cut, .. group.Completions[1..]] }])));

        Assert.Contains("0 log-probabilities after filters; expected one for each", refused.Message, StringComparison.Ordinal);
    }

    /// <summary>Σ_K μ·w, as the loss computes it.</summary>
    private static double ExpectedWeight(
        ImportanceSupport support, int[] kept, double[] p, double[] policy, double mass)
    {
        var recipe = LossRecipe.Of(LossType.Grpo) with
        {
            ImportanceCorrection = ImportanceCorrection.TokenTruncate,
            ImportanceCap = 1e30,
            ImportanceSupport = support,
        };
        double[] Of(Func<int, double> each) => [.. kept.Select(each)];
        using var scope = NewDisposeScope();
        var logs = tensor(Of(token => Math.Log(policy[token])));
        var divisors = kept.Select(token => new PolicySample(
            default,
            new TokenSequence([1], [token]),
            [(float)Math.Log(p[token])],
            [(float)Math.Log(p[token] / mass)],
            sampled: null,
            isInLoss: true)).Select(sample => (double)sample.ImportanceLogprobs(support)[0]);
        return new PolicyLoss(recipe).Of(new TokenLossInput(
            logs,
            logs,
            full(kept.Length, -1.0, float64), // the loss of ratio 1 is then w
            tensor(Of(token => p[token] / mass)),
            arange(kept.Length, int64),
            kept.Length)
        {
            SamplerLogprobs = tensor(divisors.ToArray()),
        }).Loss.item<double>();
    }

    /// <summary>Two groups of six, as the sampler reports them.</summary>
    private static TrainBatch Sampled(SamplingParams sampling)
    {
        using var weights = TinyPolicy.Create(seed: 4);
        using var runner = TinyPolicy.Paged(weights, 200, 8);
        var sequences = new StepDriver(runner).Generate(
            TinyPolicy.Prompts(new Random(2), [4, 9]), 6, sampling, i => 3 + i);
        return new TrainBatch(
        [
            .. sequences.GroupBy(sequence => sequence.Group).Select(group => new TrainGroup(
                new GroupId(group.Key),
                group.First().Prompt,
                [
                    .. group.Select((one, i) =>
                        new TrainCompletion([.. one.Tokens.Skip(one.Prompt.Length)], [.. one.Logprobs], i % 2)
                        {
                            SamplingLogprobs = [.. one.SamplingLogprobs],
                        }),
                ])),
        ]);
    }

    private static TrainStats Trained(ImportanceCorrection kind, ImportanceSupport support, TrainBatch batch)
    {
        using var weights = TinyPolicy.Create(seed: 4);
        using var trainer = new PolicyTrainer(weights, TinyModel.Options with
        {
            LearningRate = 0,
            Temperature = 0.8f,
            MaxCompletionLength = 32,
            Loss = TinyModel.Options.Loss with
            {
                ImportanceCorrection = kind,
                ImportanceSupport = support,
                ImportanceFloor = 0.9,
                ImportanceCap = 1.1,
            },
        });
        return trainer.Train(batch);
    }

    private static float[] LastRow(float[,] values) =>
        [.. Enumerable.Range(0, values.GetLength(1)).Select(column => values[values.GetLength(0) - 1, column])];
}
