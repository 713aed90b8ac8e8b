using Rollout.Gpu.Contracts;
using Rollout.Gpu.Training;
using Rollout.Gpu.Training.Losses;
using Rollout.Gpu.Weights;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Training;

public sealed class AdamWTests : IDisposable
{
    private static readonly AdamWOptions Options =
        new(Beta1: 0.8, Beta2: 0.95, Epsilon: 1e-6, WeightDecay: 0.1);

    private readonly string _folder = Directory.CreateTempSubdirectory("adamw").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Steps_equal_the_formula_in_plain_doubles(bool decays)
    {
        using var scope = NewDisposeScope();
        var value = tensor(new[] { 1.0, -2.0, 0.5 }, requires_grad: true);
        using var optimizer = new AdamW([new OptimizedParameter("w", value, decays)], Options);
        double[] expected = [1.0, -2.0, 0.5], mean = [0, 0, 0], square = [0, 0, 0];
        for (var step = 1; step <= 5; step++)
        {
            var rate = 0.1 / step;
            for (var i = 0; i < 3; i++)
            {
                var gradient = 0.5 * 3 * expected[i] * expected[i]; // of Σ w³, scaled by 0.5
                expected[i] *= decays ? 1 - (rate * Options.WeightDecay) : 1;
                mean[i] = (Options.Beta1 * mean[i]) + ((1 - Options.Beta1) * gradient);
                square[i] = (Options.Beta2 * square[i]) + ((1 - Options.Beta2) * gradient * gradient);
                var first = mean[i] / (1 - Math.Pow(Options.Beta1, step));
                var second = square[i] / (1 - Math.Pow(Options.Beta2, step));
                expected[i] -= rate * first / (Math.Sqrt(second) + Options.Epsilon);
            }

            value.pow(3).sum().backward();
            optimizer.Accumulate();
            optimizer.Step(rate, gradientScale: 0.5);
        }

        foreach (var (one, other) in expected.Zip(value.data<double>().ToArray()))
            Assert.Equal(one, other, 12);
    }

    [Fact]
    public void A_bfloat16_weight_moves_by_steps_far_below_its_resolution()
    {
        using var scope = NewDisposeScope();
        var value = ones(4, ScalarType.BFloat16).requires_grad_();
        using var optimizer = new AdamW([new OptimizedParameter("w", value, Decays: false)], Options);
        for (var step = 0; step < 1000; step++)
        {
            value.sum().backward();
            optimizer.Accumulate();
            optimizer.Step(1e-5);
        }

        // Each step lowers it by 1e-5; the spacing of bfloat16 just below 1 is 4e-3.
        Assert.Equal(0.99, value[0].to_type(ScalarType.Float64).item<double>(), 4e-3);
        Assert.NotEqual(1, value[0].to_type(ScalarType.Float64).item<double>());
    }

    [Fact]
    public void Gradients_of_many_micro_batches_add_up_in_full_precision()
    {
        using var scope = NewDisposeScope();
        var value = zeros(1, ScalarType.BFloat16).requires_grad_();
        using var optimizer = new AdamW([new OptimizedParameter("w", value, Decays: false)], Options);
        for (var i = 0; i < 1000; i++)
        {
            value.sum().backward();
            optimizer.Accumulate();
        }

        Assert.Equal(1000, optimizer.GradientNorm()); // summed in bfloat16 it would stop at 256
    }

    [Fact]
    public void The_norm_is_that_of_all_gradients_as_one_vector()
    {
        using var scope = NewDisposeScope();
        var one = zeros(2).requires_grad_();
        var other = zeros(1).requires_grad_();
        var unused = zeros(5).requires_grad_();
        using var optimizer = new AdamW(
            [
                new OptimizedParameter("one", one, Decays: false),
                new OptimizedParameter("other", other, Decays: false),
                new OptimizedParameter("unused", unused, Decays: false),
            ],
            Options);
        ((one * tensor(new[] { 3f, 4f })).sum() + (12 * other).sum()).backward();
        optimizer.Accumulate();

        Assert.Equal(13, optimizer.GradientNorm(), 5);
        Assert.Null(optimizer.FirstBrokenGradient());
    }

    [Fact]
    public void A_gradient_that_is_not_finite_is_named()
    {
        using var scope = NewDisposeScope();
        var fine = zeros(2).requires_grad_();
        var broken = zeros(2).requires_grad_();
        using var optimizer = new AdamW(
            [
                new OptimizedParameter("fine", fine, Decays: false),
                new OptimizedParameter("broken", broken, Decays: false),
            ],
            Options);
        (fine.sum() + broken.sqrt().sum()).backward(); // the slope of √w at 0
        optimizer.Accumulate();

        Assert.Equal("broken", optimizer.FirstBrokenGradient());
        Assert.False(double.IsFinite(optimizer.GradientNorm()));
    }

    [Theory]
    [InlineData(5, 0, 1)]
    [InlineData(0.5, 1, 1)]
    [InlineData(4, 1, 0.25)]
    public void A_gradient_is_only_scaled_down_and_never_up(double norm, double limit, double factor) =>
        Assert.Equal(factor, AdamW.ClipFactor(norm, limit), 1e-6);

    [Fact]
    public void Norms_and_biases_of_a_model_do_not_decay_and_matrices_do()
    {
        using var model = TinyModel.Create(tied: false);

        var decaying =
            OptimizedParameter.Of(model).ToLookup(parameter => parameter.Decays, parameter => parameter.Name);

        Assert.All(decaying[false], name => Assert.Contains("norm", name, StringComparison.Ordinal));
        Assert.All(decaying[true], name => Assert.DoesNotContain("norm", name, StringComparison.Ordinal));
        Assert.Contains("lm_head.weight", decaying[true]);
        Assert.Equal(model.parameters().Count(), decaying[false].Count() + decaying[true].Count());
    }

    [Fact]
    public void State_of_another_model_is_refused_by_name_and_changes_nothing()
    {
        using var scope = NewDisposeScope();
        var path = Path.Combine(_folder, "optimizer.safetensors");
        using var saved =
            new AdamW([new OptimizedParameter("w", zeros(3).requires_grad_(), Decays: false)], Options);
        saved.Save(path);
        using var wider =
            new AdamW([new OptimizedParameter("w", zeros(4).requires_grad_(), Decays: false)], Options);
        using var renamed =
            new AdamW([new OptimizedParameter("v", zeros(3).requires_grad_(), Decays: false)], Options);

        var otherShape = Assert.Throws<CheckpointException>(() => wider.Load(path));
        Assert.Contains("exp_avg.w", otherShape.Message, StringComparison.Ordinal);
        var otherName = Assert.Throws<CheckpointException>(() => renamed.Load(path));
        Assert.Contains("exp_avg.v", otherName.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_state_that_is_not_finite_is_refused_by_file_and_tensor()
    {
        using var scope = NewDisposeScope();
        var path = Path.Combine(_folder, "broken.safetensors");
        SafetensorsWriter.Write(
            path,
            [
                ("step", tensor((long[])[3])), ("exp_avg.w", zeros(3)),
                ("exp_avg_sq.w", tensor((float[])[1, float.NaN, 1])),
            ]);
        using var optimizer =
            new AdamW([new OptimizedParameter("w", zeros(3).requires_grad_(), Decays: false)], Options);

        var refused = Assert.Throws<CheckpointException>(() => optimizer.Load(path));

        Assert.Equal($"{path}: tensor exp_avg_sq.w holds a number that is not finite.", refused.Message);
        Assert.Equal(0, optimizer.Steps);
    }

    [Fact]
    public void A_weight_that_an_update_makes_infinite_fails_the_step_and_is_named()
    {
        using var scope = NewDisposeScope();
        var weight = full([2], -3.3e38f).requires_grad_();
        using var optimizer = new AdamW([new OptimizedParameter("w", weight, Decays: false)], Options);
        weight.sum().backward();
        optimizer.Accumulate();

        var tooFast = Assert.Throws<NotFiniteNumberException>(() => optimizer.Step(1e300));
        Assert.Equal(0, optimizer.Steps);
        var failure = Assert.Throws<NotFiniteNumberException>(() => optimizer.Step(3e37));

        Assert.Equal("A step at learning rate 1E+300 is beyond float32.", tooFast.Message);
        Assert.Equal("w is not finite after optimizer step 1.", failure.Message);
    }

    [Fact]
    public void A_bandit_of_two_arms_learns_the_better_one()
    {
        using var scope = NewDisposeScope();
        var preferences = zeros(2).requires_grad_();
        using var optimizer =
            new AdamW([new OptimizedParameter("preferences", preferences, Decays: false)], Options);
        var loss = new PolicyLoss(LossRecipe.Of(LossType.Dapo));
        var random = new Random(5);
        double ChanceOfBetter() => preferences.softmax(0)[1].item<float>();
        for (var step = 0; step < 40; step++)
        {
            using var inner = NewDisposeScope();
            long[] arms =
                [.. Enumerable.Range(0, 16).Select(_ => random.NextDouble() < ChanceOfBetter() ? 1L : 0)];
            var advantages = new double[16];
            GroupAdvantages.Compute(
                [.. arms.Select(arm => arm + random.NextDouble())],
                [new GroupId(step)],
                [16],
                loss.Recipe,
                advantages);
            var logprobs = preferences.log_softmax(0).index_select(0, tensor(arms));
            var gains = tensor(advantages).to_type(ScalarType.Float32);
            loss.Of(new TokenLossInput(
                logprobs, logprobs.detach(), gains, full(16, 1f / 16), arange(16), 16)).Loss.backward();
            optimizer.Accumulate();
            optimizer.Step(0.1);
        }

        Assert.True(
            ChanceOfBetter() > 0.9, $"after 40 steps the better arm has probability {ChanceOfBetter():F3}");
    }
}
