using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// Teaches a model given completions of prompts by cross-entropy, for <c>rollout pretrain</c> and <c>rollout sft</c>. The
/// loss is the mean of −log π over the completion tokens of the whole batch, however it is split into micro-batches. Prompt
/// tokens are read, not learned. A step whose loss or gradient is not finite is skipped; micro-batches that do not fit into
/// memory are halved.
/// </summary>
public sealed class SupervisedTrainer : IDisposable
{
    private readonly CausalLm _model;
    private readonly SupervisedOptions _options;
    private readonly CompletionPasses _passes;
    private readonly ICompletionPass _pass;
    private readonly MemoryBoundaries _memory;
    private readonly GreedyHits _hits = new();
    private readonly AdamW _optimizer;
    private readonly TrainedModel _trained;
    private int _skippedInRow;

    /// <param name="model">Changed in place; stays the caller's.</param>
    /// <param name="options">Rates and budgets.</param>
    /// <param name="memory">
    /// The device's memory, of which another try gets what allocators keep for reuse; stays the caller's.
    /// </param>
    public SupervisedTrainer(CausalLm model, SupervisedOptions options, IDeviceMemory? memory = null)
        : this(model, options, memory, pass => pass)
    {
    }

    /// <param name="model">The model.</param>
    /// <param name="options">Rates and budgets.</param>
    /// <param name="memory">The device's memory.</param>
    /// <param name="wrap">Gives the pass in place of the model's own.</param>
    internal SupervisedTrainer(
        CausalLm model, SupervisedOptions options, IDeviceMemory? memory, Func<ICompletionPass, ICompletionPass> wrap)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MicroBatchTokens, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(options.MaxSkippedUpdates);
        _model = model;
        _options = options;
        _optimizer = new AdamW(OptimizedParameter.Of(model), options.Optimizer, options.Offload ? new OffloadPlan() : null);
        _trained = new TrainedModel(model, _optimizer);
        _passes = new CompletionPasses(model, temperature: 1, recompute: options.Recompute) { Optimizer = _optimizer };
        _pass = wrap(_passes.Of(model, _hits));
        _memory = new MemoryBoundaries(memory);
    }

    /// <summary>Optimizer updates so far.</summary>
    public int Steps => _optimizer.Steps;

    /// <summary>One optimizer step, or a step that is skipped because its loss or gradient is not finite.</summary>
    /// <param name="pairs">Token ids; a completion usually ends with the end-of-sequence token.</param>
    /// <param name="names">[pairs] names them in reasons; null takes their numbers.</param>
    /// <exception cref="ArgumentException">
    /// No completion token, an empty prompt, or a token outside of the vocabulary.
    /// </exception>
    /// <exception cref="NotFiniteNumberException">
    /// More steps in a row were skipped than may be, and no weight has changed; or a weight is not finite after the step.
    /// </exception>
    /// <exception cref="DeviceFaultException">One pair by itself does not fit into memory; no weight has changed.</exception>
    public SupervisedStep Step(
        IReadOnlyList<(int[] Prompt, int[] Completion)> pairs, IReadOnlyList<string>? names = null)
    {
        var examples = Examples(pairs, names);
        try
        {
            var (fit, splits) = Run(examples, Accumulate);
            var norm = _optimizer.GradientNorm();
            var rate = _options.Rate.After(_optimizer.Steps);
            var made = new SupervisedStep(fit, norm, rate) { MicroBatchSplits = splits };
            if (!double.IsFinite(fit.Loss) || !double.IsFinite(norm))
                return made with { Skipped = Skip(examples, fit.Loss) };
            _optimizer.Step(rate, AdamW.ClipFactor(norm, _options.MaxGradNorm));
            _skippedInRow = 0;
            return made;
        }
        catch (MicroBatchMemoryException cause)
        {
            throw new DeviceFaultException($"Step {Steps + 1} failed on {_model.Device}: {cause.Message}", cause);
        }
        finally
        {
            _optimizer.ZeroGradients();
        }
    }

    /// <summary>Measures without learning.</summary>
    /// <param name="pairs">As for <see cref="Step"/>.</param>
    /// <exception cref="ArgumentException">As for <see cref="Step"/>.</exception>
    public SupervisedFit Measure(IReadOnlyList<(int[] Prompt, int[] Completion)> pairs) =>
        Run(Examples(pairs, names: null), (input, total, _) => total.sub_(_pass.Logprobs(input).sum(ScalarType.Float64))).Fit;

    /// <summary>Writes a checkpoint, complete or not at all.</summary>
    /// <param name="folder">The checkpoint's folder.</param>
    /// <param name="progress">Where the run stands.</param>
    /// <param name="source">The folder that the tokenizer's files are copied from.</param>
    /// <exception cref="NotFiniteNumberException">A weight or moment is not finite, and nothing is written.</exception>
    /// <exception cref="IOException">The disk did not take it.</exception>
    public void Save(string folder, TrainingProgress progress, string source) =>
        _trained.Save(folder, progress, source);

    /// <summary>Takes over the optimizer's state of a checkpoint, whose weights the model has.</summary>
    /// <exception cref="CheckpointException">The state is not of this model.</exception>
    public void Load(string folder) => _trained.LoadOptimizer(folder);

    public void Dispose()
    {
        _hits.Dispose();
        _passes.Dispose();
        _optimizer.Dispose();
    }

    private Example[] Examples(IReadOnlyList<(int[] Prompt, int[] Completion)> pairs, IReadOnlyList<string>? names)
    {
        Example[] examples =
        [
            .. pairs
                .Select((pair, i) => (Pair: pair, Name: names?[i] ?? $"pair {i}"))
                .Select(one => new Example(one.Name, TokenSequence.Checked(
                    one.Name, one.Pair.Prompt, one.Pair.Completion, _model.Config.VocabSize)))
                .Where(example => example.Sequence.Completion.Length > 0),
        ];
        return examples.Length > 0
            ? examples
            : throw new ArgumentException($"None of {pairs.Count} pairs has a completion token to learn.", nameof(pairs));
    }

    /// <summary>Counts a step that is not finite, and says why it is not.</summary>
    private string Skip(Example[] examples, double loss)
    {
        var what = double.IsFinite(loss)
            ? $"the gradient of {_optimizer.FirstBrokenGradient()} is not finite"
            : $"the loss is {loss}";
        var reason = $"{what} over {BrokenSamples.Named(examples, one => one.Name, IsBroken)}";
        _skippedInRow++;
        return _skippedInRow <= _options.MaxSkippedUpdates
            ? reason
            : throw new NotFiniteNumberException(
                $"{_skippedInRow} steps in a row were skipped, and max-skipped-updates is {_options.MaxSkippedUpdates}; in the"
                + $" last one {reason}");

        bool IsBroken(Example example) =>
            !double.IsFinite(Run([example], Accumulate).Fit.Loss) || !double.IsFinite(_optimizer.GradientNorm());
    }

    /// <summary>Passes over all examples.</summary>
    /// <param name="examples">Prompts and completions.</param>
    /// <param name="pass">
    /// Adds −log π of a micro-batch's targets to a sum [1] in float64. The last argument is one over all targets.
    /// </param>
    private (SupervisedFit Fit, int Splits) Run(Example[] examples, Action<MicroBatchInput, Tensor, double> pass)
    {
        using var scope = NewDisposeScope();
        TokenSequence[] sequences = [.. examples.Select(example => example.Sequence)];
        var weight = 1.0 / sequences.Sum(sequence => (long)sequence.Completion.Length);
        var total = zeros(1, ScalarType.Float64, _model.Device);
        var order = new List<int>();
        var budget = new MicroBatchBudget(_options.MicroBatchTokens, _memory);
        budget.ForEach(
            tokens => _pass.Pack(sequences, tokens),
            () =>
            {
                _optimizer.ZeroGradients();
                _pass.Begin(Steps);
                _hits.Take(); // what a failed pass left
                total.zero_();
                order.Clear();
            },
            microBatch =>
            {
                using var piece = NewDisposeScope();
                using var input = new MicroBatchInput(
                    [.. microBatch.Sequences.Select(i => sequences[i])], microBatch.Width, _model.Device);
                pass(input, total, weight);
                order.AddRange(microBatch.Sequences);
            });

        var hits = _hits.Take();
        var fit = new SupervisedFit(
            total.cpu().item<double>() * weight,
            hits.Count(hit => hit) * weight,
            ExactMatches(order, sequences, hits) / sequences.Length);
        return (fit, budget.Splits);
    }

    /// <summary>Completions whose targets are all hits.</summary>
    /// <param name="order">The sequences as the passes took them.</param>
    /// <param name="sequences">Prompts and completions.</param>
    /// <param name="hits">[targets] of each pass, one after another.</param>
    private static double ExactMatches(IEnumerable<int> order, TokenSequence[] sequences, bool[] hits)
    {
        var (matches, next) = (0, 0);
        foreach (var completion in order.Select(i => sequences[i].Completion))
        {
            matches += hits.AsSpan(next, completion.Length).Contains(false) ? 0 : 1;
            next += completion.Length;
        }

        return matches;
    }

    private void Accumulate(MicroBatchInput input, Tensor total, double weight)
    {
        using var slope = (-weight).ToScalar();
        _pass.Backward(input, atOnce: false, (logprobs, _) =>
        {
            total.sub_(logprobs.sum(ScalarType.Float64));
            return full_like(logprobs, slope);
        });
        _optimizer.Accumulate();
    }

    /// <summary>A pair with its name.</summary>
    private sealed record Example(string Name, TokenSequence Sequence);
}
