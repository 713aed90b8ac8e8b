using System.Diagnostics;
using Rollout.Actors.Settings;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Training;
using Rollout.Gpu.Weights;
using Rollout.Host.Bench;
using Rollout.Host.Engine;
using Rollout.Host.Invocation;

namespace Rollout.Host.Jobs;

/// <summary>
/// Runs `rollout bench --train`: training steps of random rollouts of one length, by the trainer of `rollout train`.
/// </summary>
internal static class TrainBenchJob
{
    /// <summary>Measures, and returns the report.</summary>
    /// <param name="options">The command line of a training benchmark.</param>
    /// <param name="shape">The model's shape.</param>
    /// <param name="settings">The configuration with the command line's options.</param>
    public static TrainBenchReport Run(BenchOptions options, ModelConfig shape, RolloutSettings settings)
    {
        var train = options.Train!;
        var tokens = train.PromptLength + train.CompletionLength;
        if (tokens > shape.MaxPositionEmbeddings)
        {
            throw new InvalidDataException(
                $"--prompt-length and --completion-length are {tokens} tokens together, and the model has "
                + $"{shape.MaxPositionEmbeddings} positions");
        }

        using var memory = PolicyModel.Memory(settings);
        using var weights = new PolicyWeights(
            options.Shape is null
                ? PolicyModel.LoadInitial(settings)
                : PolicyModel.WithAdapter(PolicyModel.Random(shape, settings), settings),
            new PolicyVersion(0));
        // One update a step, however many groups the configuration would take for one.
        var update = settings.Train.ToGrpoOptions(settings.Sampling, settings.Seed) with { MiniBatchPrompts = 0 };
        var measured = TrainingBenchmark.Run(
            weights, update, Batch(train, shape.VocabSize, settings.Seed), train.Steps, memory);
        var all = (long)train.Sequences * tokens;
        return new TrainBenchReport
        {
            Model = options.Shape ?? options.Model!,
            Device = settings.Device,
            DeviceName = memory?.DeviceName,
            Dtype = settings.Dtype == WeightType.Bfloat16 ? "bfloat16" : "float32",
            Sequences = train.Sequences,
            PromptLength = train.PromptLength,
            CompletionLength = train.CompletionLength,
            GroupSize = train.GroupSize,
            MicroBatchTokens = settings.Train.MicroBatchTokens,
            Steps = train.Steps,
            Tokens = all,
            ProcessedTokens = measured.ProcessedTokens,
            ComputedTokens = measured.ComputedTokens,
            LoraRank = settings.Lora.R,
            OptimizerSteps = measured.OptimizerSteps,
            Seconds = measured.Seconds,
            TokensPerSecond = all / measured.Seconds,
            PeakDeviceBytes = measured.Memory?.Peak ?? Process.GetCurrentProcess().PeakWorkingSet64,
            PredictedDeviceBytes = PolicyModel.IsCuda(settings) && !update.Autograd && !settings.TrainsAdapter
                ? (long)MemoryNeed.Of(shape, PolicyModel.Dtype(settings), update).Bytes
                : null,
            ProductsShare = measured.Shares.Products,
            AttentionShare = measured.Shares.Attention,
            HeadShare = measured.Shares.Head,
            ElementwiseShare = measured.Shares.Elementwise,
            OptimizerShare = measured.Shares.Optimizer,
            HostShare = measured.Shares.Host,
        };
    }

    // Rewards differ within every group, so that every sample is computed.
    private static TrainBatch Batch(TrainBenchOptions train, int vocabulary, ulong seed)
    {
        var random = new Random((int)(seed % int.MaxValue));
        int[] Tokens(int count) => [.. Enumerable.Range(0, count).Select(_ => random.Next(vocabulary))];
        var uniform = (float)-Math.Log(vocabulary);
        return new TrainBatch(
        [
            .. Enumerable.Range(0, train.Sequences / train.GroupSize).Select(group => new TrainGroup(
                new GroupId(group),
                Tokens(train.PromptLength),
                [
                    .. Enumerable.Range(0, train.GroupSize).Select(sample => new TrainCompletion(
                        Tokens(train.CompletionLength),
                        [.. Enumerable.Repeat(uniform, train.CompletionLength)],
                        sample % 2)),
                ])),
        ]);
    }
}
