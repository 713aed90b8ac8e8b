using System.Diagnostics;
using System.Runtime.InteropServices;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Models;
using Rollout.Gpu.Weights;
using TorchSharp;

namespace Rollout.Gpu.Training;

/// <summary>
/// GRPO and its relatives on one device: advantages → clipped token loss over micro-batches → AdamW, in place on the
/// shared weights. <see cref="PolicyUpdates"/> makes the optimizer steps of a batch; this class owns what outlives it.
/// On a CPU the same batches give the same weights to the last bit. PolicyTrainer.Checkpoints.cs saves and resumes.
/// </summary>
public sealed partial class PolicyTrainer : IPolicyTrainer
{
    private readonly PolicyWeights _weights;
    private readonly GrpoOptions _options;
    private readonly AdamW _optimizer;
    private readonly TrainedModel _trained;
    private readonly ReferenceModel? _reference;
    private readonly PolicyUpdates _updates;
    private readonly string _tokenizerFolder;
    private readonly MemoryBoundaries _memory;
    private readonly CompletionPasses? _passes;

    /// <param name="weights">
    /// The policy, shared with decoders that are parked while this trains; stays the caller's.
    /// </param>
    /// <param name="options">The update rule.</param>
    /// <param name="tokenizerFolder">
    /// The folder that <see cref="Save"/> copies the tokenizer's files from; "" copies none.
    /// </param>
    /// <param name="reference">
    /// The initial policy for the KL term, owned by this trainer from here on. Without one, and with beta
    /// above 0, the current weights are copied, which are the initial policy in a new run only. A model with an adapter
    /// needs none: its reference is its base.
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
        : this(
            weights, options, tokenizerFolder, reference,
            new CompletionPasses(weights.Model, options.Temperature, logitElements, options.Autograd, options.Recompute),
            memory)
    {
    }

    private PolicyTrainer(
        PolicyWeights weights,
        GrpoOptions options,
        string tokenizerFolder,
        CausalLm? reference,
        CompletionPasses passes,
        IDeviceMemory? memory)
        : this(weights, options, tokenizerFolder, reference, passes.Of, memory)
    {
        _passes = passes;
        passes.Optimizer = _optimizer;
    }

    /// <param name="weights">The policy.</param>
    /// <param name="options">The update rule.</param>
    /// <param name="tokenizerFolder">Where the tokenizer's files are.</param>
    /// <param name="reference">The initial policy.</param>
    /// <param name="passOf">How a model's log-probabilities and gradients are computed.</param>
    /// <param name="memory">The device's memory.</param>
    internal PolicyTrainer(
        PolicyWeights weights,
        GrpoOptions options,
        string tokenizerFolder,
        CausalLm? reference,
        Func<CausalLm, ICompletionPass> passOf,
        IDeviceMemory? memory)
    {
        options.RequireInRange();
        if (options.Deterministic)
            DeterministicAlgorithms.Set(enabled: true);
        _weights = weights;
        _options = options;
        _tokenizerFolder = tokenizerFolder;
        _memory = new MemoryBoundaries(memory);
        _optimizer = Optimizer(weights.Model, options);
        _trained = new TrainedModel(weights.Model, _optimizer);
        if (options.Loss.NeedsReference && weights.Model.Adapter is null)
        {
            var initial = reference ?? ReferenceModel.Copy(weights.Model, weights.Model.Device);
            _reference = new ReferenceModel(initial, options.Reference, passOf);
        }
        else
        {
            reference?.Dispose();
        }

        CheckpointBytes = CheckpointBytesOf(weights.Model, options);
        var policy = passOf(weights.Model);
        IReferencePolicy? compared = options.Loss.NeedsReference && weights.Model.Adapter is { } adapter
            ? new BasePolicy(adapter, policy)
            : _reference;
        _updates = new PolicyUpdates(policy, compared, _optimizer, options, _memory);
    }

    public PolicyVersion Version => _weights.Version;

    /// <inheritdoc/>
    public bool IsWhole => _optimizer.IsWhole;

    /// <summary>What passes by kernels share; null where autograd computes.</summary>
    internal TrainingTools? Tools => _passes?.Tools;

    /// <summary>Optimizer updates so far, over all runs that this one continues.</summary>
    public int OptimizerSteps => _optimizer.Steps;

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">
    /// The batch can't be trained on; it says which sequence and why.
    /// </exception>
    public TrainStats Train(TrainBatch batch)
    {
        RequireWhole();
        var started = Stopwatch.GetTimestamp();
        _memory.Start();
        var prepared = PolicyBatch.From(batch, _options.MaskTruncated, _weights.Model.Config.VocabSize);
        try
        {
            var next = Version.Next();
            var updates = _updates.Run(prepared, next);
            _reference?.Follow(_weights.Model, next);
            // A decoder reads the weights on another stream, which does not wait for this one.
            if (_weights.Model.Device.type == DeviceType.CUDA)
                TorchTensors.Synchronize(_weights.Model.Device);
            _weights.Publish(next);
            return updates.ToStats(
                prepared,
                next,
                _options.Rate.After(_optimizer.Steps),
                Stopwatch.GetElapsedTime(started).TotalSeconds,
                _memory.Take());
        }
        catch (Exception cause) when (cause is MicroBatchMemoryException || IsFaultOfDevice(cause))
        {
            var reason = cause.Message.Split('\n')[0];
            if (cause is MicroBatchMemoryException tooLong && _weights.Model.Device.type == DeviceType.CUDA)
                reason += $".{Need(_weights.Model, _options, tooLong.Tokens)}";
            throw new DeviceFaultException(
                $"The training step after {Version} failed on {_weights.Model.Device}: {reason}", cause);
        }
        finally
        {
            if (IsWhole)
                _optimizer.ZeroGradients();
        }
    }

    public void Dispose()
    {
        _updates.Dispose();
        _passes?.Dispose();
        _optimizer.Dispose();
        _reference?.Dispose();
    }

    private void RequireWhole()
    {
        if (!IsWhole)
            throw new InvalidOperationException(
                "An earlier training step failed halfway through an update; continue from a checkpoint.");
    }

    private static AdamW Optimizer(CausalLm model, GrpoOptions options)
    {
        try
        {
            return new AdamW(OptimizedParameter.Of(model), AdamWOptions.From(options), options.Offload ? new OffloadPlan() : null);
        }
        catch (ExternalException cause) when (IsFaultOfDevice(cause))
        {
            throw new DeviceFaultException(
                $"{model.Device} has too little free memory for the optimizer's state of the model.{Need(model, options)}",
                cause);
        }
    }

    /// <summary>What training needs on a GPU, after a space; "" on a CPU, where autograd computes.</summary>
    private static string Need(CausalLm model, GrpoOptions options, int longest = 1)
    {
        var micro = options with { MicroBatchTokens = Math.Max(options.MicroBatchTokens, longest) };
        return model.Device.type == DeviceType.CUDA ? " " + MemoryNeed.Sentence(model.Config, model.Dtype, micro, longest) : "";
    }

    /// <summary>
    /// True for a failure that no later step survives. libtorch reports all native failures as one type.
    /// </summary>
    private static bool IsFaultOfDevice(Exception cause) =>
        MicroBatchBudget.IsOutOfMemory(cause)
        || (cause is ExternalException && cause.Message.Contains("CUDA", StringComparison.OrdinalIgnoreCase));
}
