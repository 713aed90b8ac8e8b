using System.Diagnostics;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// Seconds of the parts of a training step that autograd computes. Each part is measured alone, with its gradient, at
/// the size of the first micro-batch, and counted for all tokens of the step.
/// </summary>
internal sealed record AutogradParts(
    double Products, double Attention, double Head, double Elementwise, double Optimizer)
{
    private const int Runs = 3; // of which the fastest counts

    /// <summary>The shares of a step of that many seconds.</summary>
    public TrainingShares Of(double seconds)
    {
        var known = Products + Attention + Head + Elementwise + Optimizer;
        var whole = Math.Max(seconds, known); // parts measured alone may take longer than the step
        return new TrainingShares(
            Products / whole, Attention / whole, Head / whole, Elementwise / whole, Optimizer / whole,
            (whole - known) / whole);
    }

    /// <param name="model">Its gradients and weights change.</param>
    /// <param name="options">The update rule.</param>
    /// <param name="batch">The rollouts of the step.</param>
    public static AutogradParts Measure(CausalLm model, GrpoOptions options, TrainBatch batch)
    {
        using var scope = NewDisposeScope();
        var prepared = PolicyBatch.From(batch, options.MaskTruncated, model.Config.VocabSize);
        prepared.ComputeAdvantages(options.Loss);
        PolicySample[] samples = [.. prepared.Samples.Where(sample => sample.HasGradient)];
        int[] lengths = [.. samples.Select(sample => sample.Sequence.InputLength)];
        var microBatches = MicroBatcher.Pack(lengths, options.MicroBatchTokens);
        var first = microBatches[0];
        using var input = MicroBatchInput.Of(first.Sequences.Select(i => samples[i]), first.Width, model.Device);
        var attention = new SdpaAttention(input.RowCount, input.Width);
        var layer = model.Stack.Layers[0];
        Projection[] projections =
            [layer.Attention.QkvProj, layer.Attention.OProj, layer.Mlp.GateUpProj, layer.Mlp.DownProj];

        var tokens = input.Tokens.size(0);
        var shape = model.Config;
        Tensor Values(params long[] sizes) =>
            randn(sizes, ScalarType.Float32, model.Device).to(model.Dtype).requires_grad_();
        double Seconds(Func<Tensor> forward) => Fastest(model, () =>
        {
            var result = forward();
            result.backward([ones_like(result)]);
        });

        var products = projections.Sum(projection =>
        {
            var x = Values(tokens, projection.Weight.size(1));
            return Seconds(() => projection.Forward(x));
        });
        var query = Values(tokens, shape.HeadCount, shape.HeadDim);
        var key = Values(tokens, shape.KvHeadCount, shape.HeadDim);
        var value = Values(tokens, shape.KvHeadCount, shape.HeadDim);
        var attending = Seconds(() => attention.Attend(0, query, key, value));
        var layers = Seconds(() => model.Hidden(input.Tokens, input.Positions, attention));
        var pass = new CompletionPass(
            model, options.Temperature, CompletionPass.DefaultLogitElements(model.Device));
        var whole = Fastest(model, () => pass.Backward(input, atOnce: false, (logprobs, _) => ones_like(logprobs)));
        var optimizer = OptimizerSeconds(model, options, microBatches.Count);

        var count = shape.LayerCount;
        var passes = (double)lengths.Sum() / Math.Max(first.Sequences.Sum(i => lengths[i]), 1);
        return new AutogradParts(
            passes * count * products,
            passes * count * attending,
            passes * Math.Max(0, whole - layers),
            passes * Math.Max(0, layers - (count * (products + attending))),
            optimizer);
    }

    // A step adds the gradients of each micro-batch, and takes the norm and updates once.
    private static double OptimizerSeconds(CausalLm model, GrpoOptions options, int microBatches)
    {
        using var optimizer = new AdamW(OptimizedParameter.Of(model), AdamWOptions.From(options));
        void Accumulate()
        {
            using var noGradient = no_grad();
            foreach (var parameter in OptimizedParameter.Of(model))
                parameter.Value.grad ??= zeros_like(parameter.Value);
            optimizer.Accumulate();
        }

        var adding = Fastest(model, Accumulate);
        return (adding * microBatches) + Fastest(model, () =>
        {
            Accumulate();
            optimizer.GradientNorm();
            optimizer.Step(options.LearningRate);
        }) - adding;
    }

    private static double Fastest(CausalLm model, Action measured)
    {
        var best = double.PositiveInfinity;
        for (var run = 0; run < Runs; run++)
        {
            Wait(model.Device);
            var started = Stopwatch.GetTimestamp();
            using (NewDisposeScope())
                measured();
            Wait(model.Device);
            best = Math.Min(best, Stopwatch.GetElapsedTime(started).TotalSeconds);
        }

        foreach (var parameter in OptimizedParameter.Of(model))
            parameter.Value.grad = null;
        return best;
    }

    private static void Wait(Device device)
    {
        if (device.type == DeviceType.CUDA)
            TorchTensors.Synchronize(device);
    }
}
