using System.Diagnostics;
using System.Runtime.InteropServices;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Models;
using Rollout.Gpu.Training.Losses;
using Rollout.Gpu.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// GRPO on one device: advantages → clipped token loss over micro-batches → AdamW, in place on the shared weights.
/// π_old of the first iteration is π itself (ρ = 1 by detach, as in TRL); later iterations keep the first one's
/// log-probabilities on the device. The first iteration compares the log-probabilities of sampler and trainer over
/// all completion tokens that are computed. On a CPU the same batches give the same weights to the last bit.
/// </summary>
public sealed class PolicyTrainer : IPolicyTrainer
{
    /// <summary>The optimizer's state in a checkpoint folder.</summary>
    public const string OptimizerFile = "optimizer.safetensors";

    private readonly PolicyWeights _weights;
    private readonly GrpoOptions _options;
    private readonly AdamW _optimizer;
    private readonly CausalLm? _reference;
    private readonly CompletionPasses _passes;
    private readonly PolicyPass _pass;
    private readonly string _tokenizerFolder;
    private readonly MemoryBoundaries _memory;
    private bool _torn;

    /// <param name="weights">
    /// The policy, shared with decoders that are parked while this trains; stays the caller's.
    /// </param>
    /// <param name="options">The update rule.</param>
    /// <param name="tokenizerFolder">
    /// The folder that <see cref="Save"/> copies the tokenizer's files from; "" copies none.
    /// </param>
    /// <param name="reference">
    /// The initial policy for the KL term, owned by this trainer from here on. Without one, and with beta
    /// above 0, the current weights are copied, which are the initial policy in a new run only.
    /// </param>
    /// <param name="logitElements">
    /// The most elements of one chunk of [rows, vocab] logits; 0 takes the device's default.
    /// </param>
    /// <param name="memory">The device's memory, whose use is reported with every step; stays the caller's.</param>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    /// <exception cref="DeviceFaultException">The device has too little memory for the optimizer.</exception>
    public PolicyTrainer(
        PolicyWeights weights,
        GrpoOptions options,
        string tokenizerFolder = "",
        CausalLm? reference = null,
        long logitElements = 0,
        IDeviceMemory? memory = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Temperature, SamplingParams.GreedyBelow);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.NumIterations, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MicroBatchTokens, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxCompletionLength, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(options.Loss.Beta);
        ArgumentOutOfRangeException.ThrowIfNegative(options.MaxGradNorm);
        ArgumentOutOfRangeException.ThrowIfNegative(options.WarmupSteps);
        if (options.Deterministic)
            DeterministicAlgorithms.Set(enabled: true);
        _weights = weights;
        _options = options;
        _tokenizerFolder = tokenizerFolder;
        _memory = new MemoryBoundaries(memory);
        _optimizer = Optimizer(weights.Model, options);
        CheckpointBytes = _optimizer.StateBytes
            + weights.Model.parameters().Sum(parameter => parameter.numel() * parameter.element_size());
        if (options.Loss.NeedsReference)
            _reference = reference ?? FrozenCopy(weights.Model);
        else
            reference?.Dispose();
        _passes = new CompletionPasses(weights.Model, options.Temperature, logitElements, options.Autograd);
        _pass = new PolicyPass(
            _passes.Of(weights.Model, _optimizer),
            _reference is null ? null : _passes.Of(_reference, optimizer: null),
            new PolicyLoss(options.Loss),
            _optimizer);
    }

    public PolicyVersion Version => _weights.Version;

    /// <inheritdoc/>
    public long CheckpointBytes { get; }

    /// <summary>What passes by kernels share; null where autograd computes.</summary>
    internal TrainingTools? Tools => _passes.Tools;

    /// <summary>Optimizer updates so far, over all runs that this one continues.</summary>
    public int OptimizerSteps => _optimizer.Steps;

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">
    /// The batch can't be trained on; it says which sequence and why.
    /// </exception>
    /// <exception cref="NotFiniteNumberException">
    /// A loss or gradient is not finite, and the weights are as before that update; or a weight is not finite after it,
    /// and nothing can be saved any more.
    /// </exception>
    public TrainStats Train(TrainBatch batch)
    {
        if (_torn)
            throw Torn();

        var started = Stopwatch.GetTimestamp();
        _memory.Start();
        var prepared = PolicyBatch.From(batch, _options, _weights.Model.Config.VocabSize, _passes.ArePacked);
        try
        {
            var updates =
                prepared.Samples.Count == 0 ? new Updates([], 0, NextLearningRate) : Update(prepared);
            // A decoder reads the weights on another stream, which does not wait for this one.
            if (_weights.Model.Device.type == DeviceType.CUDA)
                TorchTensors.Synchronize(_weights.Model.Device);
            _weights.Publish(_weights.Version.Next());
            _torn = false;
            return StatsOf(prepared, updates, Stopwatch.GetElapsedTime(started).TotalSeconds);
        }
        catch (ExternalException cause) when (IsFaultOfDevice(cause))
        {
            _torn = true;
            var reason = cause.Message.Split('\n')[0];
            throw new DeviceFaultException(
                $"The training step after {Version} failed on {_weights.Model.Device}: {reason}", cause);
        }
        finally
        {
            if (!_torn)
                _optimizer.ZeroGradients();
        }
    }

    /// <inheritdoc/>
    public void Save(string folder, TrainingProgress progress)
    {
        if (_torn)
            throw Torn();
        if (_optimizer.FirstBrokenState() is { } broken)
            throw new NotFiniteNumberException($"{broken} is not finite, and no such checkpoint is saved.");
        CheckpointStore.Write(folder, progress, unfinished =>
        {
            HuggingFaceModel.WriteInto(
                _weights.Model, unfinished, _tokenizerFolder.Length == 0 ? null : _tokenizerFolder);
            _optimizer.Save(Path.Combine(unfinished, OptimizerFile));
        });
    }

    /// <summary>
    /// Continues a run from a checkpoint. The caller has verified the checkpoint (<see
    /// cref="CheckpointStore.ReadVerified"/>) and loaded its model into the weights, under the version of its step.
    /// </summary>
    /// <exception cref="ArgumentException">Beta is above 0 and there is no reference.</exception>
    /// <exception cref="CheckpointException">The optimizer's state is not of this model.</exception>
    public static PolicyTrainer Resume(
        string folder,
        PolicyWeights weights,
        GrpoOptions options,
        string tokenizerFolder = "",
        CausalLm? reference = null,
        long logitElements = 0,
        IDeviceMemory? memory = null)
    {
        if (options.Loss.NeedsReference && reference is null)
            throw new ArgumentException(
                "A resumed run with a KL term needs the initial policy as its reference.");
        var trainer = new PolicyTrainer(weights, options, tokenizerFolder, reference, logitElements, memory);
        try
        {
            trainer._optimizer.Load(Path.Combine(folder, OptimizerFile));
            return trainer;
        }
        catch
        {
            trainer.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        _passes.Dispose();
        _optimizer.Dispose();
        _reference?.Dispose();
    }

    private static InvalidOperationException Torn() =>
        new("An earlier training step failed halfway through its updates; continue from a checkpoint.");

    private double NextLearningRate =>
        _optimizer.Scheduled(_options.LearningRate, _options.WarmupSteps, _options.TotalSteps);

    /// <summary>num_iterations times: gradients of the whole batch, checked, clipped, applied.</summary>
    private Updates Update(PolicyBatch batch)
    {
        using var kept = new KeptLogprobs(batch.MicroBatches.Count, _options.NumIterations > 1);
        var sums = new List<IterationSums>();
        var (rate, norm) = (0.0, 0.0);
        for (var iteration = 0; iteration < _options.NumIterations; iteration++)
        {
            sums.Add(_pass.Run(batch, kept, _memory));
            _memory.AfterBackward();
            Tools?.Clock?.Enter(TrainingPart.Optimizer);
            norm = _optimizer.GradientNorm();
            if (!double.IsFinite(norm))
            {
                var name = _optimizer.FirstBrokenGradient();
                throw new NotFiniteNumberException($"The gradient of {name} is not finite after {Version}.");
            }

            rate = NextLearningRate;
            _torn = true; // until the version says that the weights are new
            _optimizer.Step(rate, AdamW.ClipFactor(norm, _options.MaxGradNorm));
            Tools?.Clock?.Enter(TrainingPart.Host);
            _memory.AfterOptimizer();
        }

        return new Updates(sums, norm, rate);
    }

    private TrainStats StatsOf(PolicyBatch batch, Updates updates, double seconds)
    {
        var first = updates.Sums.FirstOrDefault(IterationSums.None);
        var last = updates.Sums.LastOrDefault(IterationSums.None);
        var tokens = (double)Math.Max(batch.TargetCount, 1);
        var computed = batch.TargetCount > 0;      // else nothing was compared, which is not a difference of 0
        return new TrainStats
        {
            Version = Version,
            Loss = last.Loss,
            GradientNorm = updates.GradientNorm,
            LearningRate = updates.LearningRate,
            ClipFraction = updates.Sums.Sum(sums => sums.Statistics.Clipped) / (tokens * _options.NumIterations),
            Kl = last.Statistics.Kl / tokens,
            Entropy = computed ? first.Surprise / tokens : double.NaN,
            LogprobDifferenceMean = computed ? first.Difference / tokens : double.NaN,
            LogprobDifferenceMax = computed ? first.DifferenceMax : double.NaN,
            TrainedTokens = batch.TargetCount,
            EqualRewardGroups = batch.EqualRewardGroups,
            Seconds = seconds,
            ProcessedTokens = batch.InputCount * updates.Sums.Count,
            ComputedTokens = batch.ComputedCount * updates.Sums.Count,
            Memory = _memory.Take(),
        };
    }

    private static AdamW Optimizer(CausalLm model, GrpoOptions options)
    {
        try
        {
            return new AdamW(OptimizedParameter.Of(model), AdamWOptions.From(options));
        }
        catch (ExternalException cause) when (IsFaultOfDevice(cause))
        {
            throw new DeviceFaultException(
                $"{model.Device} has too little free memory for the optimizer's state of the model.", cause);
        }
    }

    private static CausalLm FrozenCopy(CausalLm model)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var copy = new CausalLm(model.Config, model.Dtype, model.Device);
        foreach (var (own, other) in copy.named_parameters().Zip(model.named_parameters()))
        {
            own.parameter.requires_grad_(false);
            own.parameter.copy_(other.parameter);
        }

        return copy;
    }

    /// <summary>
    /// True for a failure that no later step survives. libtorch reports all native failures as one type.
    /// </summary>
    private static bool IsFaultOfDevice(ExternalException cause) =>
        ((string[])["CUDA", "out of memory", "can't allocate memory"])
            .Any(sign => cause.Message.Contains(sign, StringComparison.OrdinalIgnoreCase));

    /// <param name="Sums">One entry an iteration.</param>
    /// <param name="GradientNorm">The last one's, before clipping.</param>
    /// <param name="LearningRate">The last one's.</param>
    private sealed record Updates(
        IReadOnlyList<IterationSums> Sums, double GradientNorm, double LearningRate);
}
