using Rollout.Gpu.Contracts;
using Rollout.Gpu.Training.Losses;

namespace Rollout.Gpu.Training;

/// <summary>
/// The optimizer steps on one batch of rollouts. π_old is the policy before the first of them: where there is only one,
/// it is π itself (ρ = 1 by detach, as in TRL); else a forward pass over the batch computes it. An update whose loss or
/// gradient is not finite is skipped, and costs nothing but itself.
/// </summary>
/// <param name="policy">The weights that learn.</param>
/// <param name="reference">The policy of the KL term; null without one.</param>
/// <param name="optimizer">Changes the weights.</param>
/// <param name="options">The update rule.</param>
/// <param name="memory">Reads the device's memory between the parts of a step.</param>
internal sealed class PolicyUpdates(
    ICompletionPass policy, IReferencePolicy? reference, AdamW optimizer, GrpoOptions options, MemoryBoundaries memory)
    : IDisposable
{
    private readonly PolicyPass _pass = new(policy, new PolicyLoss(options.Loss), optimizer, memory);
    private readonly MiniBatchOrder _order = new(options.Seed, options.MiniBatchPrompts);
    private int _skippedInRow;

    /// <param name="batch">The rollouts; it gets its advantages here.</param>
    /// <param name="step">Which training step it is.</param>
    /// <exception cref="MicroBatchMemoryException">Memory ran out before the first update.</exception>
    public UpdateRecord Run(PolicyBatch batch, PolicyVersion step)
    {
        var budget = new MicroBatchBudget(options.MicroBatchTokens, memory);
        var record = new UpdateRecord(
            measuresAll: options.Loss.PenalizesRewards || options.NumIterations * _order.Count(batch.GroupCount) > 1);
        Measure(batch, budget, record);
        try
        {
            foreach (var miniBatch in MiniBatches(batch, step))
            {
                if (record.WhyOver is null && miniBatch.Samples.Count > 0)
                    Update(miniBatch, budget, record);
            }
        }
        catch (MicroBatchMemoryException cause) when (record.OptimizerSteps > 0)
        {
            optimizer.ZeroGradients();
            record.WhyOver = $"after {record.OptimizerSteps} of its updates, {cause.Message}";
        }

        record.Splits = budget.Splits;
        return record;
    }

    public void Dispose() => _pass.Dispose();

    private IEnumerable<MiniBatch> MiniBatches(PolicyBatch batch, PolicyVersion step) =>
        from iteration in Enumerable.Range(0, options.NumIterations)
        from groups in _order.Of(batch.GroupCount, step.Value, iteration)
        select new MiniBatch(batch.SamplesOf(groups), options);

    /// <summary>
    /// Computes what the loss needs from before the updates. What no update will compute is computed for the statistics,
    /// so that they cover all tokens: a forward pass, a third of what an update costs.
    /// </summary>
    private void Measure(PolicyBatch batch, MicroBatchBudget budget, UpdateRecord record)
    {
        var measurement = new LogprobMeasurement(budget, options.Loss.KlEstimator);
        PolicySample[] samples = [.. batch.Samples.Where(sample => sample.Sequence.Completion.Length > 0)];
        reference?.Use(pass => measurement.Run(pass, samples, (sample, logprobs) => sample.ReferenceLogprobs = logprobs));
        if (record.MeasuresAll)
            record.Measured(measurement.Run(policy, samples, (sample, logprobs) => sample.OldLogprobs = logprobs), samples);
        batch.ComputeAdvantages(options.Loss);
        if (record.MeasuresAll)
            return;
        PolicySample[] rest = [.. samples.Where(sample => !sample.HasGradient)];
        record.Measured(measurement.Run(policy, rest, keep: null), rest);
    }

    private void Update(MiniBatch miniBatch, MicroBatchBudget budget, UpdateRecord record)
    {
        TokenSequence[] sequences = [.. miniBatch.Samples.Select(sample => sample.Sequence)];
        budget.ForEach(
            tokens => policy.Pack(sequences, tokens),
            _pass.Begin,
            microBatch =>
            {
                _pass.Backward(miniBatch, microBatch);
                record.Computed(microBatch);
            });
        var sums = _pass.Read();
        memory.AfterBackward();
        policy.Enter(TrainingPart.Optimizer);
        var norm = optimizer.GradientNorm();
        record.Processed(miniBatch);
        if (!double.IsFinite(sums.Loss) || !double.IsFinite(norm))
        {
            Skip(miniBatch, sums.Loss, record);
            return;
        }

        var rate = options.Rate.After(optimizer.Steps);
        optimizer.Step(rate, AdamW.ClipFactor(norm, options.MaxGradNorm));
        policy.Enter(TrainingPart.Host);
        memory.AfterOptimizer();
        _skippedInRow = 0;
        record.Updated(miniBatch, sums, norm, rate);
    }

    private void Skip(MiniBatch miniBatch, double loss, UpdateRecord record)
    {
        var what = double.IsFinite(loss)
            ? $"the gradient of {optimizer.FirstBrokenGradient()} is not finite"
            : $"the loss is {loss}";
        var reason = $"{what} over {BrokenSamples.In(miniBatch, _pass, optimizer)}";
        _pass.Begin();
        record.Skipped(reason);
        _skippedInRow++;
        if (_skippedInRow > options.MaxSkippedUpdates)
        {
            record.WhyOver =
                $"{_skippedInRow} updates in a row were skipped, and max-skipped-updates is {options.MaxSkippedUpdates}; "
                + $"in the last one {reason}";
        }
    }
}
