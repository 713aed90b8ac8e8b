using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Gpu.Tests.Support;
using Rollout.Gpu.Training;
using Rollout.Gpu.Weights;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Training;

public sealed class SupervisedTrainerTests
{
    private static readonly SupervisedOptions Options = new()
    {
        Rate = new LearningRate(1e-2, WarmupSteps: 0, LearningRateSchedule.Constant, TotalSteps: 0, Lowest: 0),
        MicroBatchTokens = 16,
    };

    private const int Ignored = -100;

    private static readonly (int[] Prompt, int[] Completion)[] Pairs =
    [
        ([1, 2], [3, 4, 5]), ([6], [7]), ([8, 9, 10], [11, 12]), ([13, 14], []),
    ];

    [Fact]
    public void The_loss_is_the_mean_cross_entropy_of_the_completion_tokens()
    {
        using var model = TinyModel.Create();
        using var trainer = new SupervisedTrainer(model, Options);
        var expected = 0.0;
        foreach (var (prompt, completion) in Pairs.SkipLast(1))
        {
            var sequence = new TokenSequence(prompt, completion);
            using var input = new MicroBatchInput([sequence], sequence.InputLength, CPU);
            using var logprobs = new CompletionPass(model, temperature: 1, logitElements: 1).Logprobs(input);
            expected -= logprobs.data<float>().ToArray().Sum();
        }

        Assert.Equal(expected / 6, trainer.Step(Pairs).Fit.Loss, 1e-5);
    }

    [Fact]
    public void A_state_in_host_memory_changes_no_weight()
    {
        float[] Trained(bool offload)
        {
            using var model = TinyModel.Create(dtype: ScalarType.BFloat16);
            using var trainer = new SupervisedTrainer(model, Options with { Offload = offload });
            for (var step = 0; step < 3; step++)
                trainer.Step(Pairs);
            return TinyModel.Values(model);
        }

        Assert.Equal(Trained(offload: false), Trained(offload: true));
    }

    [Fact]
    public void Loss_and_accuracy_are_those_of_the_answers_alone_in_double_precision()
    {
        using var model = TinyModel.Create();
        using var trainer = new SupervisedTrainer(model, Options);
        var (loss, right, count) = (0.0, 0, 0);
        foreach (var (logits, labels) in Pairs.SkipLast(1).Select(pair => Labelled(model, pair)))
        {
            using (logits)
            {
                foreach (var (row, label) in labels.Index().Where(label => label.Item != Ignored))
                {
                    var values = logits[row].data<float>().Select(value => (double)value).ToArray();
                    loss -= values[label] - Math.Log(values.Sum(Math.Exp));
                    right += Array.IndexOf(values, values.Max()) == label ? 1 : 0;
                    count++;
                }
            }
        }

        var fit = trainer.Step(Pairs).Fit;

        Assert.Equal(6, count);
        Assert.Equal(loss / count, fit.Loss, 1e-5);
        Assert.Equal((double)right / count, fit.TokenAccuracy, 1e-12);
    }

    [Fact]
    public void The_gradient_is_that_of_the_answers_alone()
    {
        using var model = TinyModel.Create();
        using (var scope = NewDisposeScope())
        {
            var parts = Pairs.SkipLast(1).Select(pair => Labelled(model, pair)).ToArray();
            var logits = cat([.. parts.Select(part => part.Logits)]);
            var labels = tensor(parts.SelectMany(part => part.Labels).ToArray());
            nn.functional.cross_entropy(logits, labels, ignore_index: Ignored).backward();
        }
        var expected = Math.Sqrt(TinyModel.Gradients(model).Sum(value => (double)value * value));
        foreach (var parameter in model.parameters())
            parameter.grad!.zero_();
        using var trainer = new SupervisedTrainer(model, Options);

        Assert.Equal(1, trainer.Step(Pairs).GradientNorm / expected, 1e-4);
    }

    [Fact]
    public void Measuring_gives_the_fit_of_the_next_step_and_changes_nothing()
    {
        using var model = TinyModel.Create();
        using var trainer = new SupervisedTrainer(model, Options);
        trainer.Step(Pairs);
        var before = TinyModel.Values(model);

        var measured = trainer.Measure(Pairs);

        Assert.Equal(before, TinyModel.Values(model));
        var fit = trainer.Step(Pairs).Fit;
        Assert.Equal(fit.Loss, measured.Loss, 1e-6);
        Assert.Equal(fit.TokenAccuracy, measured.TokenAccuracy, 1e-12);
        Assert.Equal(fit.ExactMatch, measured.ExactMatch, 1e-12);
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(12)]
    public void Exact_match_is_the_share_of_answers_that_greedy_decoding_by_recomputation_gives(int microBatchTokens)
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
        using var trainer = new SupervisedTrainer(model, Options with { MicroBatchTokens = microBatchTokens });

        // Four of the pairs end in a wrong token.
        var fit = trainer.Measure(pairs);
        Assert.Equal(0.6, fit.ExactMatch, 12);
        Assert.Equal(1 - (4.0 / pairs.Sum(pair => pair.completion.Length)), fit.TokenAccuracy, 12);
    }

    [Fact]
    public void Each_step_has_the_rate_of_the_schedule()
    {
        var rate = new LearningRate(1e-2, WarmupSteps: 2, LearningRateSchedule.Cosine, TotalSteps: 5, Lowest: 1e-3);
        using var model = TinyModel.Create();
        using var trainer = new SupervisedTrainer(model, Options with { Rate = rate });

        Assert.Equal(
            Enumerable.Range(0, 5).Select(rate.After), Enumerable.Range(0, 5).Select(_ => trainer.Step(Pairs).LearningRate));
    }

    [Fact]
    public void A_trainer_that_goes_on_from_a_checkpoint_learns_the_same_to_the_last_bit()
    {
        using var folder = new TemporaryFolder();
        using var whole = TinyModel.Create();
        using var uninterrupted = new SupervisedTrainer(whole, Options);
        uninterrupted.Step(Pairs);
        uninterrupted.Step(Pairs);
        var checkpoint = folder.At("step-2");
        uninterrupted.Save(checkpoint, new TrainingProgress(2, 8, Seed: 1), source: folder.Path);
        uninterrupted.Step(Pairs);

        using var resumed = HuggingFaceModel.Load(checkpoint, ScalarType.Float32, CPU);
        using var trainer = new SupervisedTrainer(resumed, Options);
        trainer.Load(checkpoint);
        trainer.Step(Pairs);

        Assert.Equal(3, trainer.Steps);
        Assert.Equal(TinyModel.Values(whole), TinyModel.Values(resumed));
    }

    [Fact]
    public void Pairs_are_learned_by_heart()
    {
        using var model = TinyModel.Create();
        using var trainer = new SupervisedTrainer(model, Options);
        var first = trainer.Step(Pairs).Fit.Loss;
        for (var step = 0; step < 60; step++)
            trainer.Step(Pairs);

        Assert.True(trainer.Step(Pairs).Fit.Loss < 0.1 * first);
    }

    [Fact]
    public void The_split_into_micro_batches_changes_nothing_but_rounding()
    {
        using var whole = TinyModel.Create();
        using var split = TinyModel.Create();
        using var atOnce = new SupervisedTrainer(whole, Options with { MicroBatchTokens = 1000 });
        using var oneByOne = new SupervisedTrainer(split, Options with { MicroBatchTokens = 1 });

        Assert.Equal(atOnce.Step(Pairs).Fit.Loss, oneByOne.Step(Pairs).Fit.Loss, 1e-5);
        Assert.Equal(atOnce.Step(Pairs).Fit.Loss, oneByOne.Step(Pairs).Fit.Loss, 1e-3);
    }

    [Fact]
    public void A_step_that_is_not_finite_changes_nothing_and_names_its_pair()
    {
        using var plain = TinyModel.Create();
        using var expected = new SupervisedTrainer(plain, Options);
        using var model = TinyModel.Create();
        using var trainer = Faulty(model, Options with { MaxSkippedUpdates = 1 }, out var pass);
        expected.Step(Pairs[..2]);
        expected.Step(Pairs);

        trainer.Step(Pairs[..2]);
        pass.NaNToken = 12;
        var skipped = trainer.Step(Pairs, ["a:1", "a:2", "a:3", "a:4"]);
        pass.NaNToken = null;
        var made = trainer.Step(Pairs);

        Assert.Equal("the loss is NaN over a:3", skipped.Skipped);
        Assert.True(double.IsNaN(skipped.Fit.Loss));
        Assert.Null(made.Skipped);
        Assert.Equal(2, trainer.Steps);
        Assert.Equal(TinyModel.Values(plain), TinyModel.Values(model));
    }

    [Fact]
    public void More_steps_in_a_row_that_are_not_finite_than_may_be_skipped_fail()
    {
        using var model = TinyModel.Create();
        using var trainer = Faulty(model, Options with { MaxSkippedUpdates = 1 }, out var pass);
        var before = TinyModel.Values(model);
        (pass.InfiniteGradientToken, pass.Weight) = (7, model.named_parameters().First().parameter);

        Assert.NotNull(trainer.Step(Pairs).Skipped);
        var failure = Assert.Throws<NotFiniteNumberException>(() => trainer.Step(Pairs));

        Assert.StartsWith(
            "2 steps in a row were skipped, and max-skipped-updates is 1; in the last one the gradient of ", failure.Message,
            StringComparison.Ordinal);
        Assert.EndsWith(" is not finite over pair 1", failure.Message, StringComparison.Ordinal);
        Assert.Equal(before, TinyModel.Values(model));
    }

    [Fact]
    public void Micro_batches_that_do_not_fit_into_memory_are_halved_and_change_nothing()
    {
        var options = Options with { MicroBatchTokens = 1000 };
        using var plain = TinyModel.Create();
        using var roomy = new SupervisedTrainer(plain, options);
        using var model = TinyModel.Create();
        using var trainer = Faulty(model, options, out var pass);
        pass.MemoryTokens = 8;

        var expected = roomy.Step(Pairs);
        var step = trainer.Step(Pairs);

        Assert.True(step.MicroBatchSplits > 0);
        Assert.Equal(expected.Fit.Loss, step.Fit.Loss, 1e-5);
        Assert.Equal(expected.Fit.TokenAccuracy, step.Fit.TokenAccuracy, 1e-12);
        Assert.Equal(1, step.GradientNorm / expected.GradientNorm, 1e-4);
    }

    [Fact]
    public void A_pair_that_never_fits_into_memory_fails_with_weights_as_they_were()
    {
        using var model = TinyModel.Create();
        using var trainer = Faulty(model, Options, out var pass);
        var before = TinyModel.Values(model);
        pass.MemoryTokens = 3;

        var failure = Assert.Throws<DeviceFaultException>(() => trainer.Step(Pairs));

        Assert.Equal("Step 1 failed on cpu: one sequence of 4 tokens does not fit into its memory", failure.Message);
        Assert.Equal(before, TinyModel.Values(model));
    }

    [Fact]
    public void A_batch_without_anything_to_learn_is_refused()
    {
        using var model = TinyModel.Create();
        using var trainer = new SupervisedTrainer(model, Options);

        Assert.Throws<ArgumentException>(() => trainer.Step([([1], [])]));
        Assert.Throws<ArgumentException>(() => trainer.Step([([], [1])]));
        var unknown = Assert.Throws<ArgumentException>(() => trainer.Step([([1], [23])]));
        Assert.Contains("Token 23", unknown.Message, StringComparison.Ordinal);
    }

    private static SupervisedTrainer Faulty(CausalLm model, SupervisedOptions options, out FaultyPass pass)
    {
        FaultyPass? wrapped = null;
        var trainer = new SupervisedTrainer(model, options, memory: null, inner => wrapped = new FaultyPass(inner));
        pass = wrapped!;
        return trainer;
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

    /// <summary>[tokens − 1, vocab] the logits of a pair, and the label of each row: the next token if it is learned.</summary>
    private static (Tensor Logits, long[] Labels) Labelled(CausalLm model, (int[] Prompt, int[] Completion) pair)
    {
        var sequence = new TokenSequence(pair.Prompt, pair.Completion);
        using var input = new MicroBatchInput([sequence], sequence.InputLength, CPU);
        var hidden = model.Hidden(input.Tokens, input.Positions, new SdpaAttention(input.RowCount, input.Width));
        long[] labels = [.. Enumerable.Repeat((long)Ignored, pair.Prompt.Length - 1), .. pair.Completion.Select(token => (long)token)];
        return (model.Logits(hidden), labels);
    }
}
