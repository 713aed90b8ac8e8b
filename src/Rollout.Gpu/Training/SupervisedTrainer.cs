using Rollout.Gpu.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// Teaches a model given completions of prompts by cross-entropy; <c>rollout pretrain</c> makes the model that GRPO
/// starts from with it. The loss is the mean of −log π over the completion tokens of the whole batch, however it is
/// split into micro-batches.
/// </summary>
public sealed class SupervisedTrainer : IDisposable
{
    private readonly CausalLm _model;
    private readonly SupervisedOptions _options;
    private readonly CompletionPasses _passes;
    private readonly ICompletionPass _pass;
    private readonly AdamW _optimizer;

    /// <param name="model">Changed in place; stays the caller's.</param>
    /// <param name="options">Rates and budgets.</param>
    public SupervisedTrainer(CausalLm model, SupervisedOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MicroBatchTokens, 1);
        _model = model;
        _options = options;
        _optimizer = new AdamW(OptimizedParameter.Of(model), options.Optimizer);
        _passes = new CompletionPasses(model, temperature: 1) { Optimizer = _optimizer };
        _pass = _passes.Of(model);
    }

    /// <summary>Optimizer updates so far.</summary>
    public int Steps => _optimizer.Steps;

    /// <summary>One optimizer step.</summary>
    /// <param name="pairs">Token ids; a completion usually ends with the end-of-sequence token.</param>
    /// <returns>The loss before the step, in nats a token.</returns>
    /// <exception cref="ArgumentException">
    /// No completion token, an empty prompt, or a token outside of the vocabulary.
    /// </exception>
    /// <exception cref="NotFiniteNumberException">
    /// Loss or gradient is not finite, and no weight has changed; or a weight is not finite after the step.
    /// </exception>
    public double Step(IReadOnlyList<(int[] Prompt, int[] Completion)> pairs)
    {
        TokenSequence[] sequences =
        [
            .. pairs
                .Select((pair, i) => TokenSequence.Checked(
                    $"pair {i}", pair.Prompt, pair.Completion, _model.Config.VocabSize))
                .Where(sequence => sequence.Completion.Length > 0),
        ];
        if (sequences.Length == 0)
            throw new ArgumentException(
                $"None of {pairs.Count} pairs has a completion token to learn.", nameof(pairs));

        try
        {
            var loss = Accumulate(sequences);
            var norm = _optimizer.GradientNorm();
            if (!double.IsFinite(loss))
                throw new NotFiniteNumberException($"The loss is {loss} in step {Steps + 1}.", loss);
            if (!double.IsFinite(norm))
            {
                throw new NotFiniteNumberException(
                    $"The gradient of {_optimizer.FirstBrokenGradient()} is not finite in step {Steps + 1}.");
            }

            _optimizer.Step(
                _options.Rate.After(_optimizer.Steps),
                AdamW.ClipFactor(norm, _options.MaxGradNorm));
            return loss;
        }
        finally
        {
            _optimizer.ZeroGradients();
        }
    }

    public void Dispose()
    {
        _passes.Dispose();
        _optimizer.Dispose();
    }

    private double Accumulate(TokenSequence[] sequences)
    {
        using var scope = NewDisposeScope();
        var weight = 1.0 / sequences.Sum(sequence => (long)sequence.Completion.Length);
        using var slope = (-weight).ToScalar();
        var total = zeros(1, ScalarType.Float64, _model.Device);
        foreach (var microBatch in _pass.Pack(sequences, _options.MicroBatchTokens))
        {
            using var input = new MicroBatchInput(
                [.. microBatch.Sequences.Select(i => sequences[i])], microBatch.Width, _model.Device);
            _pass.Backward(input, atOnce: false, (logprobs, _) =>
            {
                total.sub_(logprobs.sum(ScalarType.Float64));
                return full_like(logprobs, slope);
            });
            _optimizer.Accumulate();
        }

        return total.cpu().item<double>() * weight;
    }
}
