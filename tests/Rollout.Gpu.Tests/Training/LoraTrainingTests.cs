using Rollout.Gpu.Adapters;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Gpu.Tests.Adapters;
using Rollout.Gpu.Tests.Execution;
using Rollout.Gpu.Training;
using Rollout.Gpu.Weights;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Training;

/// <summary>Training an adapter: what learns, what it is compared with, and what a checkpoint holds.</summary>
public sealed class LoraTrainingTests : IDisposable
{
    private static readonly LoraOptions Lora = new() { R = 3, LoraAlpha = 6, TargetModules = ["all-linear"] };

    private readonly TemporaryFolder _root = new();

    public void Dispose() => _root.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_new_adapter_changes_no_bit(bool isRankStabilized)
    {
        using var weights = TinyPolicy.Create(seed: 5);
        int[] tokens = [3, 14, 15, 9, 26, 5, 35];
        var expected = TinyPolicy.Recompute(weights, tokens);

        PeftAdapter.Create(
            weights.Model, Lora with { UseRslora = isRankStabilized, TargetModules = ["q_proj", "lm_head"] }, "base", seed: 1);

        Assert.Equal(expected, TinyPolicy.Recompute(weights, tokens));
    }

    [Fact]
    public void A_is_drawn_as_pytorchs_linear_layer_and_B_is_zero()
    {
        using var weights = CreateAdapted(Lora with { R = 64 });
        foreach (var (name, value) in weights.Model.Adapter!.Tensors)
        {
            var bound = 1 / Math.Sqrt(value.size(1));
            if (name.EndsWith("lora_B.weight", StringComparison.Ordinal))
            {
                Assert.Equal(0, value.detach().abs().max().item<float>());
                continue;
            }

            Assert.InRange(value.detach().abs().max().item<float>(), 0.9 * bound, bound);
            Assert.InRange(value.detach().mean().item<float>(), -0.15 * bound, 0.15 * bound);
        }
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void Only_the_adapter_learns(ScalarType dtype)
    {
        using var weights = CreateAdapted(Lora with { TargetModules = ["v_proj", "down_proj"] }, dtype);
        var before = TinyModel.Values(weights.Model);
        using var trainer = new PolicyTrainer(weights, TinyModel.Options);

        trainer.Train(TinyModel.Batch(1));
        trainer.Train(TinyModel.Batch(2));

        Assert.Equal(before, TinyModel.Values(weights.Model));
        Assert.All(weights.Model.Adapter!.Tensors, tensor => Assert.NotEqual(0, tensor.Value.detach().abs().max().ToDouble()));
        Assert.All(weights.Model.parameters(), parameter => Assert.Null(parameter.grad));
    }

    [Fact]
    public void Its_gradients_are_those_of_the_merged_weights_by_the_chain_rule()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create(seed: 2, tied: false);
        using var merged = TinyModel.Create(seed: 2, tied: false);
        using var folder = new AdapterFolder();
        folder.Config["target_modules"] = new[] { "q_proj", "v_proj", "o_proj", "up_proj", "down_proj", "lm_head" };
        folder.Config["lora_dropout"] = 0.0;
        folder.Config["alpha_pattern"] = new Dictionary<string, int> { ["v_proj"] = 9 };
        double ScaleOf(string module) => module.EndsWith("v_proj", StringComparison.Ordinal) ? 3 : 2;
        folder.Write(
            model, module => ((string[])folder.Config["target_modules"]!).Any(target => module.EndsWith(target, StringComparison.Ordinal)) ? 3 : null,
            seed: 3);
        folder.MergeInto(merged, ScaleOf);
        PeftAdapter.Apply(model, folder.Path);

        Backward(model);
        Backward(merged);

        var gradients = merged.CheckpointTensors().ToDictionary(
            weight => weight.Name, weight => weight.Storage.grad!.narrow(0, weight.FirstRow, weight.RowCount));
        foreach (var projection in model.Projections().Where(projection => projection.Adapter is not null))
        {
            var firstRank = 0L;
            foreach (var part in projection.Adapter!.Parts)
            {
                var module = model.CheckpointTensors().First(weight =>
                    ReferenceEquals(weight.Storage, projection.Weight) && weight.FirstRow == part.FirstRow).Name;
                var whole = gradients[module] * ScaleOf(module[..^".weight".Length]);
                AssertNear(whole.mm(part.A.t()), part.B.grad!);
                AssertNear(part.B.t().mm(whole), projection.Adapter.Shrink.grad!.narrow(0, firstRank, part.Rank));
                firstRank += part.Rank;
            }
        }
    }

    [Theory]
    [InlineData(ScalarType.Float32, 0, 0)]
    [InlineData(ScalarType.Float32, 0.1, 0.3)]
    [InlineData(ScalarType.BFloat16, 0.1, 0.3)]
    public void Two_steps_and_a_restart_and_two_more_are_four_steps_to_the_last_bit(ScalarType dtype, double beta, double dropout)
    {
        var options = TinyModel.Options.WithBeta(beta) with { NumIterations = 2, MiniBatchPrompts = 2, Seed = 5 };
        var lora = Lora with { LoraDropout = dropout };
        using var straight = CreateAdapted(lora, dtype);
        using var whole = new PolicyTrainer(straight, options);
        for (var step = 0; step < 4; step++)
            whole.Train(TinyModel.Batch(step));

        var folder = new CheckpointStore(_root.Path).FolderOf(2);
        using (var firstHalf = CreateAdapted(lora, dtype))
        using (var trainer = new PolicyTrainer(firstHalf, options))
        {
            for (var step = 0; step < 2; step++)
                trainer.Train(TinyModel.Batch(step));
            trainer.Save(folder, new TrainingProgress(2, 8, 1));
        }

        CheckpointStore.ReadVerified(folder);
        using var weights = TinyModel.Weights(dtype: dtype);
        PeftAdapter.Apply(weights.Model, folder, seed: 1);
        weights.Adopt(new PolicyVersion(2));
        using var resumed = PolicyTrainer.Resume(folder, weights, options);
        for (var step = 2; step < 4; step++)
            resumed.Train(TinyModel.Batch(step));

        Assert.Equal(Values(straight.Model), Values(weights.Model));
    }

    [Fact]
    public void A_run_in_bfloat16_goes_on_from_the_exact_adapter_of_one_in_float32()
    {
        var store = new CheckpointStore(_root.Path);
        using (var weights = CreateAdapted(Lora))
        using (var trainer = new PolicyTrainer(weights, TinyModel.Options))
        {
            trainer.Train(TinyModel.Batch(1));
            trainer.Save(store.FolderOf(1), new TrainingProgress(1, 4, 1));
        }

        foreach (var (from, to, type) in ((int, int, ScalarType)[])[(1, 2, ScalarType.BFloat16), (2, 3, ScalarType.Float32)])
        {
            using var weights = TinyModel.Weights(dtype: type);
            PeftAdapter.Apply(weights.Model, store.FolderOf(from));
            using var trainer = PolicyTrainer.Resume(store.FolderOf(from), weights, TinyModel.Options);
            trainer.Save(store.FolderOf(to), new TrainingProgress(1, 4, 1));
        }

        foreach (var file in (string[])[PeftAdapter.WeightsName, TrainedModel.OptimizerFile])
        {
            Assert.Equal(
                File.ReadAllBytes(Path.Combine(store.FolderOf(1), file)), File.ReadAllBytes(Path.Combine(store.FolderOf(3), file)));
        }
    }

    [Fact]
    public void The_reference_is_the_base_without_the_adapter()
    {
        using var weights = CreateAdapted(Lora);
        using var trainer = new PolicyTrainer(weights, TinyModel.Options.WithBeta(0.1));
        using var full = TinyModel.Weights();

        var first = trainer.Train(TinyModel.Batch(1));
        var second = trainer.Train(TinyModel.Batch(2));

        Assert.Equal(0, first.Kl, 1e-7);
        Assert.True(second.Kl > 1e-6);
        int[] tokens = [1, 2, 3, 4];
        using (weights.Model.Adapter!.Off())
            Assert.Equal(TinyPolicy.Recompute(full, tokens), TinyPolicy.Recompute(weights, tokens));
        Assert.NotEqual(TinyPolicy.Recompute(full, tokens), TinyPolicy.Recompute(weights, tokens));
    }

    [Fact]
    public void A_checkpoint_is_an_adapter_that_can_be_loaded_and_as_large_as_said()
    {
        using var weights = CreateAdapted(Lora);
        using var trainer = new PolicyTrainer(weights, TinyModel.Options);
        trainer.Train(TinyModel.Batch(1));
        var folder = new CheckpointStore(_root.Path).FolderOf(1);

        trainer.Save(folder, new TrainingProgress(1, 4, 1));

        Assert.Equal(
            ["adapter_config.json", "adapter_model.safetensors", "manifest.json", "optimizer.safetensors", "progress.json"],
            Directory.EnumerateFiles(folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        using var loaded = TinyModel.Weights();
        PeftAdapter.Apply(loaded.Model, folder);
        int[] tokens = [1, 2, 3, 4];
        Assert.Equal(TinyPolicy.Recompute(weights, tokens), TinyPolicy.Recompute(loaded, tokens));
        Assert.Equal(trainer.CheckpointBytes, weights.Model.Adapter!.Tensors.Sum(tensor => tensor.Value.numel()) * 3 * sizeof(float));
    }

    [Fact]
    public void Dropout_is_equal_in_equal_passes_and_of_training_only()
    {
        float[] Gradients(int step, double dropout)
        {
            using var weights = CreateAdapted(Lora with { LoraDropout = dropout });
            var pass = new CompletionPass(weights.Model, 1, CompletionPass.LogitElementsOnCpu);
            pass.Begin(step);
            Backward(weights.Model, pass);
            return [.. weights.Model.Adapter!.Leaves.Where(leaf => leaf.Name.EndsWith("lora_B", StringComparison.Ordinal))
                .SelectMany(leaf => leaf.Value.grad!.contiguous().data<float>().ToArray())];
        }

        Assert.Equal(Gradients(1, 0.5), Gradients(1, 0.5));
        Assert.NotEqual(Gradients(1, 0.5), Gradients(2, 0.5));
        Assert.NotEqual(Gradients(1, 0), Gradients(1, 0.5));
        Assert.Equal(Gradients(1, 0), Gradients(2, 0));
    }

    [Fact]
    public void Dropout_keeps_the_mean_and_drops_its_share()
    {
        using var scope = NewDisposeScope();
        var dropout = new LoraDropout(0.25, seed: 7);
        Assert.Null(dropout.MaskOf("q", ones(4)));
        using var pass = dropout.Pass();

        var mask = dropout.MaskOf("q", ones(400, 100))!;

        Assert.Equal(0.25, mask.eq(0).to_type(ScalarType.Float32).mean().item<float>(), 0.02);
        Assert.Equal(1, mask.mean().item<float>(), 0.02);
        Assert.Equal(1 / 0.75f, mask.max().item<float>(), 1e-6f);
    }

    private static PolicyWeights CreateAdapted(LoraOptions options, ScalarType dtype = ScalarType.Float32)
    {
        var weights = TinyModel.Weights(dtype: dtype);
        PeftAdapter.Create(weights.Model, options, "base", seed: 1);
        return weights;
    }

    private static void Backward(CausalLm model, CompletionPass? pass = null)
    {
        using var input = new MicroBatchInput(
            [new TokenSequence([1, 2, 3], [4, 5, 6, 7]), new TokenSequence([8], [9, 10])], width: 6, CPU);
        (pass ?? new CompletionPass(model, 1, CompletionPass.LogitElementsOnCpu))
            .Backward(input, atOnce: false, (logprobs, _) => ones_like(logprobs));
    }

    private static float[] Values(CausalLm model) =>
        [.. model.Adapter!.Tensors.SelectMany(tensor =>
            tensor.Value.detach().to_type(ScalarType.Float32).contiguous().data<float>().ToArray())];

    private static void AssertNear(Tensor expected, Tensor actual) =>
        Assert.InRange(((expected - actual).norm() / expected.norm()).item<float>(), 0, 1e-4);
}
