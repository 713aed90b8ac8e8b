using Rollout.Gpu.Contracts;
using Rollout.Gpu.Training;
using Rollout.Gpu.Weights;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Training;

public sealed class ResumeTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("resume").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Theory]
    [InlineData(ScalarType.Float32, 0, 0)]
    [InlineData(ScalarType.Float32, 0.1, 0)]
    [InlineData(ScalarType.Float32, 0.1, 2)]
    [InlineData(ScalarType.BFloat16, 0, 0)]
    [InlineData(ScalarType.BFloat16, 0.1, 1)]
    public void Two_steps_and_a_restart_and_two_more_are_four_steps_to_the_last_bit(
        ScalarType dtype, double beta, int syncEvery)
    {
        var options = TinyModel.Options.WithBeta(beta) with
        {
            WarmupSteps = 3,
            LrSchedule = LearningRateSchedule.Cosine,
            TotalSteps = 30,
            NumIterations = 2,
            MiniBatchPrompts = 2,
            Seed = 5,
            Reference = new ReferenceOptions(syncEvery, MixupAlpha: 0.6, Offload: true),
        };
        using var straight = TinyModel.Weights(dtype: dtype);
        using var whole = new PolicyTrainer(straight, options);
        var expected =
            Enumerable.Range(0, 4).Select(seed => whole.Train(TinyModel.Batch(seed))).ToArray()[^1];

        var store = new CheckpointStore(_root);
        using (var firstHalf = TinyModel.Weights(dtype: dtype))
        using (var trainer = new PolicyTrainer(firstHalf, options))
        {
            for (var step = 0; step < 2; step++)
                trainer.Train(TinyModel.Batch(step));
            trainer.Save(store.FolderOf(2), new TrainingProgress(2, 8, 1));
        }

        Assert.True(store.TryLatest(out var folder));
        var progress = CheckpointStore.ReadVerified(folder);
        using var weights = new PolicyWeights(
            HuggingFaceModel.Load(folder, dtype, CPU), new PolicyVersion(progress.Step));
        using var resumed = PolicyTrainer.Resume(
            folder, weights, options, reference: beta > 0 ? TinyModel.Create(dtype: dtype) : null);
        var actual =
            Enumerable.Range(2, 2).Select(seed => resumed.Train(TinyModel.Batch(seed))).ToArray()[^1];

        Assert.Equal(TinyModel.Values(straight.Model), TinyModel.Values(weights.Model));
        Assert.Equal(expected.SamplerRatios, actual.SamplerRatios);
        Assert.Equal(expected.Advantages, actual.Advantages);
        Assert.Equal(
            Plain(expected), Plain(actual));
    }

    /// <summary>Without what differs by time, and without arrays, which records compare by reference.</summary>
    private static TrainStats Plain(TrainStats stats) => stats with { Seconds = 0, SamplerRatios = [], Advantages = [] };

    [Theory]
    [InlineData(ScalarType.Float32, ScalarType.BFloat16)]
    [InlineData(ScalarType.BFloat16, ScalarType.Float32)]
    public void A_run_that_changes_its_type_and_changes_it_back_loses_no_bit(ScalarType type, ScalarType other)
    {
        var store = new CheckpointStore(_root);
        using (var weights = TinyModel.Weights(dtype: type))
        using (var trainer = new PolicyTrainer(weights, TinyModel.Options))
        {
            trainer.Train(TinyModel.Batch(1));
            trainer.Save(store.FolderOf(1), new TrainingProgress(1, 4, 1));
        }

        SaveAgain(store.FolderOf(1), store.FolderOf(2), other);
        SaveAgain(store.FolderOf(2), store.FolderOf(3), type);

        foreach (var file in (string[])["model.safetensors", TrainedModel.OptimizerFile])
        {
            Assert.Equal(
                File.ReadAllBytes(Path.Combine(store.FolderOf(1), file)),
                File.ReadAllBytes(Path.Combine(store.FolderOf(3), file)));
        }
    }

    /// <summary>Resumes a checkpoint in a type and saves what it gives.</summary>
    private static void SaveAgain(string from, string to, ScalarType type)
    {
        using var weights = new PolicyWeights(HuggingFaceModel.Load(from, type, CPU), new PolicyVersion(1));
        using var trainer = PolicyTrainer.Resume(from, weights, TinyModel.Options);
        trainer.Save(to, new TrainingProgress(1, 4, 1));
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void A_trainer_says_how_large_its_checkpoint_is(ScalarType dtype)
    {
        using var weights = TinyModel.Weights(dtype: dtype);
        using var trainer = new PolicyTrainer(weights, TinyModel.Options);
        var folder = new CheckpointStore(_root).FolderOf(0);

        trainer.Save(folder, new TrainingProgress(0, 0, 1));

        var tensors = Directory.GetFiles(folder, "*.safetensors").Sum(SafetensorsBytes);
        Assert.InRange(trainer.CheckpointBytes, tensors - 8, tensors);      // all but the number of the step
    }

    /// <summary>Bytes of a file's tensors, without its header.</summary>
    private static long SafetensorsBytes(string path)
    {
        using var file = new BinaryReader(File.OpenRead(path));
        return file.BaseStream.Length - sizeof(long) - file.ReadInt64();
    }

    [Fact]
    public void A_checkpoint_is_a_model_folder_with_the_tokenizer_of_the_run()
    {
        var tokenizer = Directory.CreateDirectory(Path.Combine(_root, "model")).FullName;
        File.WriteAllText(Path.Combine(tokenizer, "tokenizer.json"), "{}");
        using var weights = TinyModel.Weights();
        using var trainer = new PolicyTrainer(weights, TinyModel.Options, tokenizer);
        var folder = new CheckpointStore(Path.Combine(_root, "checkpoints")).FolderOf(0);

        trainer.Save(folder, new TrainingProgress(0, 0, 1));

        Assert.Equal(
            [
                "config.json", "generation_config.json", "manifest.json", "model.safetensors", "optimizer.safetensors",
                "progress.json", "tokenizer.json",
            ],
            Directory.EnumerateFiles(folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        using var loaded = HuggingFaceModel.Load(folder, ScalarType.Float32, CPU);
        Assert.Equal(TinyModel.Values(weights.Model), TinyModel.Values(loaded));
    }

    [Fact]
    public void A_resumed_run_with_a_kl_term_asks_for_the_initial_policy()
    {
        using var weights = TinyModel.Weights();

        Assert.Throws<ArgumentException>(
            () => PolicyTrainer.Resume(_root, weights, TinyModel.Options.WithBeta(0.1)));
    }

    [Fact]
    public void A_checkpoint_without_optimizer_state_is_refused_by_its_path()
    {
        using var weights = TinyModel.Weights();

        var failure =
            Assert.Throws<CheckpointException>(() => PolicyTrainer.Resume(_root, weights, TinyModel.Options));

        Assert.Contains(TrainedModel.OptimizerFile, failure.Message, StringComparison.Ordinal);
    }
}
