using Rollout.Gpu.Contracts;
using Rollout.Gpu.Training;
using Rollout.Gpu.Weights;
using Xunit;

namespace Rollout.Gpu.Tests.Training;

/// <summary>One bad update costs one update; memory that runs out costs smaller micro-batches.</summary>
public sealed class TrainingFaultTests : IDisposable
{
    // Only the first sample of group 1 has it, see Marked.
    private const int BadToken = TinyModel.Vocabulary - 1;

    private readonly PolicyWeights _weights = TinyModel.Weights();
    private FaultyPass _pass = null!;

    public void Dispose() => _weights.Dispose();

    [Fact]
    public void A_loss_that_is_not_a_number_skips_its_update_names_the_sample_and_keeps_the_others()
    {
        var options = TinyModel.Options with { MiniBatchPrompts = 1, MaxSkippedUpdates = 1 };
        using var trainer = Trainer(options);
        _pass.NaNToken = BadToken;

        var stats = trainer.Train(Marked(TinyModel.Batch(1, reward: (_, sample) => sample)));

        Assert.Equal("the loss is NaN over group 1 sample 0", Assert.Single(stats.SkippedUpdates));
        Assert.Equal((3, 3), (stats.OptimizerSteps, trainer.OptimizerSteps));
        Assert.Null(stats.WhyOver);
        Assert.True(double.IsFinite(stats.Loss) && double.IsFinite(stats.GradientNorm));
        Assert.All(TinyModel.Values(_weights.Model), value => Assert.True(float.IsFinite(value)));
        Assert.Equal(new PolicyVersion(1), stats.Version);
    }

    [Fact]
    public void A_gradient_that_is_not_finite_skips_its_update_and_names_weight_and_sample()
    {
        using var trainer = Trainer(TinyModel.Options with { MaxSkippedUpdates = 1 });
        _pass.InfiniteGradientToken = BadToken;
        var (name, weight) = _weights.Model.named_parameters().First();
        _pass.Weight = weight;
        var before = TinyModel.Values(_weights.Model);

        var stats = trainer.Train(Marked(TinyModel.Batch(1, reward: (_, sample) => sample)));

        Assert.Equal(
            $"the gradient of {name} is not finite over group 1 sample 0", Assert.Single(stats.SkippedUpdates));
        Assert.Equal(before, TinyModel.Values(_weights.Model));
        Assert.Equal((0, 0), (stats.OptimizerSteps, trainer.OptimizerSteps));
        Assert.True(double.IsNaN(stats.Loss));
        Assert.All(_weights.Model.parameters(), parameter => Assert.Null(parameter.grad));
    }

    [Fact]
    public void A_skipped_update_leaves_the_optimizer_as_if_its_batch_had_never_been()
    {
        using var trainer = Trainer(TinyModel.Options with { MaxSkippedUpdates = 1 });
        using var plain = TinyModel.Weights();
        using var expected = new PolicyTrainer(plain, TinyModel.Options);
        expected.Train(TinyModel.Batch(1));
        expected.Train(TinyModel.Batch(3));

        trainer.Train(TinyModel.Batch(1));
        _pass.NaNToken = BadToken;
        Assert.Single(trainer.Train(Marked(TinyModel.Batch(2, reward: (_, sample) => sample))).SkippedUpdates);
        _pass.NaNToken = null;
        trainer.Train(TinyModel.Batch(3));

        Assert.Equal(TinyModel.Values(plain.Model), TinyModel.Values(_weights.Model));
    }

    [Fact]
    public void Too_many_skipped_updates_in_a_row_end_the_run_with_weights_that_can_be_saved()
    {
        using var folder = new TemporaryFolder();
        using var trainer = Trainer(TinyModel.Options with { MaxSkippedUpdates = 2 });
        _pass.NaNToken = BadToken;
        var bad = Marked(TinyModel.Batch(1, reward: (_, sample) => sample));

        // Three in a row are needed, and a good one between them begins the count anew.
        Assert.Null(trainer.Train(bad).WhyOver);
        Assert.Null(trainer.Train(bad).WhyOver);
        _pass.NaNToken = null;
        Assert.Null(trainer.Train(bad).WhyOver);
        _pass.NaNToken = BadToken;
        Assert.Null(trainer.Train(bad).WhyOver);
        Assert.Null(trainer.Train(bad).WhyOver);
        var why = trainer.Train(bad).WhyOver;

        Assert.Equal(
            "3 updates in a row were skipped, and max-skipped-updates is 2; in the last one the loss is NaN over "
            + "group 1 sample 0",
            why);
        Assert.True(trainer.IsWhole);
        trainer.Save(folder.At("step-6"), new TrainingProgress(6, 0, 0));
    }

    [Fact]
    public void Memory_that_runs_out_in_a_backward_pass_costs_smaller_micro_batches_and_no_gradient()
    {
        var options = TinyModel.Options with { MicroBatchTokens = 1000, AdamEpsilon = 1, LearningRate = 1 };
        using var plain = TinyModel.Weights();
        using var roomy = new PolicyTrainer(plain, options);
        using var trainer = Trainer(options);
        _pass.MemoryTokens = 60;
        var batch = TinyModel.Batch(5);

        var expected = roomy.Train(batch);
        var stats = trainer.Train(batch);

        Assert.True(stats.MicroBatchSplits > 0);
        Assert.Equal(expected.GradientNorm, stats.GradientNorm, 1e-4);
        Assert.Equal(expected.Entropy, stats.Entropy, 1e-4);
        Assert.True(TinyModel.Values(plain.Model).Zip(TinyModel.Values(_weights.Model))
            .All(pair => Math.Abs(pair.First - pair.Second) < 1e-4));
    }

    [Fact]
    public void A_sequence_that_never_fits_ends_the_step_with_weights_and_version_as_they_were()
    {
        using var folder = new TemporaryFolder();
        using var trainer = Trainer(TinyModel.Options);
        trainer.Train(TinyModel.Batch(1));
        var before = TinyModel.Values(_weights.Model);
        _pass.MemoryTokens = 3;

        var failure = Assert.Throws<DeviceFaultException>(() => trainer.Train(TinyModel.Batch(2)));

        Assert.Matches(
            "^The training step after policy 1 failed on cpu: one sequence of [0-9]+ tokens does not fit into its memory$",
            failure.Message);
        Assert.Equal(before, TinyModel.Values(_weights.Model));
        Assert.Equal(new PolicyVersion(1), trainer.Version);
        Assert.True(trainer.IsWhole);
        trainer.Save(folder.At("step-1"), new TrainingProgress(1, 0, 0));
        _pass.MemoryTokens = int.MaxValue;
        Assert.Equal(new PolicyVersion(2), trainer.Train(TinyModel.Batch(2)).Version);
    }

    [Fact]
    public void Memory_that_is_gone_after_the_first_update_ends_the_run_and_keeps_that_update()
    {
        var options = TinyModel.Options with { MiniBatchPrompts = 1, MicroBatchTokens = 1 };
        using var trainer = Trainer(options);
        var before = TinyModel.Values(_weights.Model);
        _pass.GoodBackwards = 3; // the samples of one group

        var stats = trainer.Train(TinyModel.Batch(1, reward: (_, sample) => sample));

        Assert.StartsWith("after 1 of its updates, one sequence of", stats.WhyOver, StringComparison.Ordinal);
        Assert.Equal((1, 1), (stats.OptimizerSteps, trainer.OptimizerSteps));
        Assert.Equal(new PolicyVersion(1), stats.Version);
        Assert.NotEqual(before, TinyModel.Values(_weights.Model));
        Assert.True(trainer.IsWhole);
        Assert.All(_weights.Model.parameters(), parameter => Assert.Null(parameter.grad));
    }

    private PolicyTrainer Trainer(GrpoOptions options) => new(
        _weights,
        options,
        tokenizerFolder: "",
        reference: null,
        model => _pass = new FaultyPass(new CompletionPass(model, options.Temperature, CompletionPass.LogitElementsOnCpu)),
        memory: null);

    /// <summary>The batch with the bad token in one sample, and in no other.</summary>
    private static TrainBatch Marked(TrainBatch batch)
    {
        foreach (var tokens in batch.Groups.SelectMany(group => group.Completions).Select(one => one.Tokens))
            tokens.AsSpan().Replace(BadToken, 0);
        batch.Groups[1].Completions[0].Tokens[0] = BadToken;
        return batch;
    }
}
