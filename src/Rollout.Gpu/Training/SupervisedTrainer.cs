using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// Teaches a model given completions of prompts by cross-entropy, for <c>rollout pretrain</c> and <c>rollout sft</c>. The
/// loss is the mean of −log π over the completion tokens of the whole batch, however it is split into micro-batches. Prompt
/// tokens are read, not learned.
/// </summary>
public sealed class SupervisedTrainer : IDisposable
{
    private readonly CausalLm _model;
    private readonly SupervisedOptions _options;
    private readonly CompletionPasses _passes;
    private readonly ICompletionPass _pass;
    private readonly GreedyHits _hits = new();
    private readonly AdamW _optimizer;
    private readonly TrainedModel _trained;

    /// <param name="model">Changed in place; stays the caller's.</param>
    /// <param name="options">Rates and budgets.</param>
    public SupervisedTrainer(CausalLm model, SupervisedOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MicroBatchTokens, 1);
        _model = model;
        _options = options;
        _optimizer = new AdamW(OptimizedParameter.Of(model), options.Optimizer);
        _trained = new TrainedModel(model, _optimizer);
        _passes = new CompletionPasses(model, temperature: 1) { Optimizer = _optimizer };
        _pass = _passes.Of(model, _hits);
    }

    /// <summary>Optimizer updates so far.</summary>
    public int Steps => _optimizer.Steps;

    /// <summary>One optimizer step.</summary>
    /// <param name="pairs">Token ids; a completion usually ends with the end-of-sequence token.</param>
    /// <exception cref="ArgumentException">
    /// No completion token, an empty prompt, or a token outside of the vocabulary.
    /// </exception>
    /// <exception cref="NotFiniteNumberException">
    /// Loss or gradient is not finite, and no weight has changed; or a weight is not finite after the step.
    /// </exception>
    public SupervisedStep Step(IReadOnlyList<(int[] Prompt, int[] Completion)> pairs)
    {
        var sequences = Sequences(pairs);
        try
        {
            var fit = Run(sequences, Accumulate);
            var norm = _optimizer.GradientNorm();
            if (!double.IsFinite(fit.Loss))
                throw new NotFiniteNumberException($"The loss is {fit.Loss} in step {Steps + 1}.", fit.Loss);
            if (!double.IsFinite(norm))
            {
                throw new NotFiniteNumberException(
                    $"The gradient of {_optimizer.FirstBrokenGradient()} is not finite in step {Steps + 1}.");
            }

            var rate = _options.Rate.After(_optimizer.Steps);
            _optimizer.Step(rate, AdamW.ClipFactor(norm, _options.MaxGradNorm));
            return new SupervisedStep(fit, norm, rate);
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
        Run(Sequences(pairs), (input, total, _) => total.sub_(_pass.Logprobs(input).sum(ScalarType.Float64)));

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

    private TokenSequence[] Sequences(IReadOnlyList<(int[] Prompt, int[] Completion)> pairs)
    {
        TokenSequence[] sequences =
        [
            .. pairs
                .Select((pair, i) => TokenSequence.Checked(
                    $"pair {i}", pair.Prompt, pair.Completion, _model.Config.VocabSize))
                .Where(sequence => sequence.Completion.Length > 0),
        ];
        return sequences.Length > 0
            ? sequences
            : throw new ArgumentException($"None of {pairs.Count} pairs has a completion token to learn.", nameof(pairs));
    }

    /// <summary>Passes over all sequences.</summary>
    /// <param name="sequences">Prompts and completions.</param>
    /// <param name="pass">
    /// Adds −log π of a micro-batch's targets to a sum [1] in float64. The last argument is one over all targets.
    /// </param>
    private SupervisedFit Run(TokenSequence[] sequences, Action<MicroBatchInput, Tensor, double> pass)
    {
        using var scope = NewDisposeScope();
        var weight = 1.0 / sequences.Sum(sequence => (long)sequence.Completion.Length);
        var total = zeros(1, ScalarType.Float64, _model.Device);
        _pass.Begin(Steps);
        _hits.Take(); // what a failed pass left
        var microBatches = _pass.Pack(sequences, _options.MicroBatchTokens);
        foreach (var microBatch in microBatches)
        {
            using var piece = NewDisposeScope();
            using var input = new MicroBatchInput(
                [.. microBatch.Sequences.Select(i => sequences[i])], microBatch.Width, _model.Device);
            pass(input, total, weight);
        }

        var hits = _hits.Take();
        return new SupervisedFit(
            total.cpu().item<double>() * weight,
            hits.Count(hit => hit) * weight,
            ExactMatches(microBatches.SelectMany(microBatch => microBatch.Sequences), sequences, hits) / sequences.Length);
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
}
