using Rollout.Gpu.Contracts;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>Forward passes without gradients over completions, before the batch's first update.</summary>
/// <param name="budget">Divides the completions into micro-batches.</param>
/// <param name="estimator">The estimate of the KL divergence from the reference.</param>
internal sealed class LogprobMeasurement(MicroBatchBudget budget, KlEstimator estimator)
{
    /// <summary>Computes log-probabilities and their sums; waits for the device once, at the end.</summary>
    /// <param name="pass">Whose log-probabilities.</param>
    /// <param name="samples">Completions, each of at least one token.</param>
    /// <param name="keep">Takes the log-probabilities [completion] of each sample; null keeps none.</param>
    public LogprobSums Run(ICompletionPass pass, IReadOnlyList<PolicySample> samples, Action<PolicySample, float[]>? keep)
    {
        if (samples.Count == 0)
            return LogprobSums.None;
        using var scope = NewDisposeScope();
        var sums = new List<Tensor>();
        var logprobs = new List<Tensor>();
        var order = new List<PolicySample>();
        TokenSequence[] sequences = [.. samples.Select(sample => sample.Sequence)];
        budget.ForEach(
            tokens => pass.Pack(sequences, tokens),
            () =>
            {
                sums.Clear();
                logprobs.Clear();
                order.Clear();
            },
            microBatch =>
            {
                PolicySample[] rows = [.. microBatch.Sequences.Select(i => samples[i])];
                using var input = MicroBatchInput.Of(rows, microBatch.Width, pass.Device);
                using var inner = NewDisposeScope();
                var values = pass.Logprobs(input); // [targets]
                var sampler = input.ForEachTarget(rows.Select(sample => sample.SamplerLogprobs));
                var reference = input.ForEachTargetIfKnown(rows.Select(sample => sample.ReferenceLogprobs));
                sums.Add(LogprobSums.OnDevice(values, sampler, input.Inserted(rows), estimator, reference)
                    .MoveToOuterDisposeScope());
                if (keep is not null)
                    logprobs.Add(values.MoveToOuterDisposeScope());
                order.AddRange(rows);
            });
        if (keep is not null)
            Distribute(order, cat([.. logprobs]).cpu().data<float>().ToArray(), keep);
        return stack(sums).cpu().data<double>().ToArray().Chunk(LogprobSums.Width)
            .Select(row => LogprobSums.Read(row))
            .Aggregate(LogprobSums.None, (left, right) => left + right);
    }

    private static void Distribute(List<PolicySample> order, float[] values, Action<PolicySample, float[]> keep)
    {
        var start = 0;
        foreach (var sample in order)
        {
            var end = start + sample.Sequence.Completion.Length;
            keep(sample, values[start..end]);
            start = end;
        }
    }
}
