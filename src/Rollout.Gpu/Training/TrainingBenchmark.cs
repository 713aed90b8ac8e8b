using Rollout.Gpu.Contracts;
using Rollout.Gpu.Weights;

namespace Rollout.Gpu.Training;

/// <summary>
/// Measures training steps of one batch; <c>rollout bench --train</c> uses it. The model is trained meanwhile, and its
/// weights are of no further use.
/// </summary>
public static class TrainingBenchmark
{
    /// <summary>Runs one step that is not measured, and then the measured ones.</summary>
    /// <param name="weights">The model; stays the caller's.</param>
    /// <param name="options">The update rule.</param>
    /// <param name="batch">The rollouts of every step.</param>
    /// <param name="steps">Measured steps.</param>
    /// <param name="memory">The device's memory; null on a CPU.</param>
    /// <exception cref="DeviceException">The device has too little memory, or fails.</exception>
    public static TrainingMeasurement Run(
        PolicyWeights weights, GrpoOptions options, TrainBatch batch, int steps, IDeviceMemory? memory)
    {
        double seconds;
        TrainStats last;
        DeviceMemoryUse? use;
        TrainingShares? shares = null;
        using (var trainer = new PolicyTrainer(weights, options, memory: memory))
        {
            trainer.Train(batch);
            memory?.StartPeak();
            var measured = Enumerable.Range(0, steps).Select(_ => trainer.Train(batch)).ToArray();
            seconds = measured.Average(step => step.Seconds);
            last = measured[^1];
            use = measured.SelectMany(Uses).MaxBy(boundary => boundary.Peak);
            if (trainer.Tools is { } tools)
                shares = Shares(trainer, tools, batch);
        }

        shares ??= AutogradParts.Measure(weights.Model, options, batch).Of(seconds);
        return new TrainingMeasurement(seconds, last.ProcessedTokens, last.ComputedTokens, last.OptimizerSteps, use, shares);
    }

    // Of one more step, which the events between its parts make a little slower.
    private static TrainingShares Shares(PolicyTrainer trainer, TrainingTools tools, TrainBatch batch)
    {
        using var clock = new CudaPartClock();
        tools.Clock = clock;
        var whole = trainer.Train(batch).Seconds;
        tools.Clock = null;
        var seconds = clock.Seconds();
        double Share(TrainingPart part) => seconds[part] / whole;
        TrainingPart[] known =
            [TrainingPart.Products, TrainingPart.Attention, TrainingPart.Head, TrainingPart.Elementwise, TrainingPart.Optimizer];
        return new TrainingShares(
            Share(known[0]), Share(known[1]), Share(known[2]), Share(known[3]), Share(known[4]),
            Math.Max(0, 1 - known.Sum(Share)));
    }

    private static IEnumerable<DeviceMemoryUse> Uses(TrainStats step) => step.Memory is { } memory
        ? [memory.Rollout, memory.Logprobs, memory.Backward, memory.Optimizer]
        : [];
}

/// <summary>What a training step took.</summary>
/// <param name="Seconds">The mean time of a step.</param>
/// <param name="ProcessedTokens">Tokens that its forward and backward passes processed, prompts included.</param>
/// <param name="ComputedTokens">The same with padding, or with shared prompts counted once.</param>
/// <param name="OptimizerSteps">Updates of the weights in a step.</param>
/// <param name="Memory">The device's memory at the boundary with the highest peak; null on a CPU.</param>
/// <param name="Shares">Where the time went.</param>
public sealed record TrainingMeasurement(
    double Seconds, long ProcessedTokens, long ComputedTokens, int OptimizerSteps, DeviceMemoryUse? Memory, TrainingShares Shares);

/// <summary>Shares of a training step's time, which sum to 1.</summary>
/// <param name="Products">The layers' matrix products and their gradients.</param>
/// <param name="Attention">Attention and its gradient.</param>
/// <param name="Head">Logits, log-probabilities, loss and their gradients.</param>
/// <param name="Elementwise">Everything else of the layers: norms, rotation, gate, sums, embedding.</param>
/// <param name="Optimizer">Sums of gradients over micro-batches, their norm, and the update.</param>
/// <param name="Host">The rest: preparing the batch, and the host's work between the passes.</param>
public sealed record TrainingShares(
    double Products, double Attention, double Head, double Elementwise, double Optimizer, double Host);
