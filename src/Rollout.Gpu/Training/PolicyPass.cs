using Rollout.Gpu.Training.Losses;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// Runs one forward and backward pass over a batch and leaves the batch's gradient with the optimizer.
/// </summary>
/// <param name="policy">The weights that learn.</param>
/// <param name="reference">The initial weights, where there is a KL term.</param>
/// <param name="loss">The token loss.</param>
/// <param name="optimizer">Collects the gradients of the micro-batches.</param>
internal sealed class PolicyPass(
    ICompletionPass policy, ICompletionPass? reference, PolicyLoss loss, AdamW optimizer)
{
    private const int NamedSamples = 8;

    /// <param name="batch">All micro-batches.</param>
    /// <param name="kept">Keeps the log-probabilities that later passes need.</param>
    /// <param name="memory">Reads the device's memory after the first log-probabilities.</param>
    /// <returns>The batch's sums. The pass waits for the device once, at its end.</returns>
    /// <exception cref="NotFiniteNumberException">The loss is not finite; it names the sample.</exception>
    public IterationSums Run(PolicyBatch batch, KeptLogprobs kept, MemoryBoundaries memory)
    {
        var chunks = new List<Tensor>(); // the sums of each chunk of targets
        var ends = new List<int>(); // where each micro-batch ends among the chunks
        try
        {
            for (var m = 0; m < batch.MicroBatches.Count; m++)
            {
                Backward(batch, m, kept, chunks, memory);
                optimizer.Accumulate();
                ends.Add(chunks.Count);
            }

            var sums = IterationSums.Read(chunks);
            var broken = Array.FindIndex(sums, sum => !double.IsFinite(sum.Loss));
            return broken < 0
                ? sums.Aggregate(IterationSums.None, (left, right) => left + right)
                : throw NotFinite(batch, ends.FindIndex(end => broken < end), sums[broken].Loss);
        }
        finally
        {
            chunks.ForEach(chunk => chunk.Dispose());
        }
    }

    private void Backward(
        PolicyBatch batch, int microBatch, KeptLogprobs kept, List<Tensor> chunks, MemoryBoundaries memory)
    {
        using var scope = NewDisposeScope();
        var samples = batch.SamplesOf(microBatch);
        using var input = Input(samples, batch.MicroBatches[microBatch].Width);
        var advantages = input.ForEachTarget(samples.Select(sample => sample.Advantage));
        var weights = input.ForEachTarget(samples.Select(sample => sample.Weight));
        var sampler = input.ForEachTarget(samples.Select(sample => sample.SamplerLogprobs));
        var old = kept.OldOf(microBatch);
        var initial =
            reference is null ? null : kept.ReferenceOf(microBatch, () => reference.Logprobs(input));
        var own = new List<Tensor>();
        policy.Backward(input, loss.Recipe.NeedsWholeCompletions, (logprobs, start) =>
        {
            memory.AfterLogprobs();
            Tensor Part(Tensor whole) => whole.narrow(0, start, logprobs.size(0));
            using var withGradient = enable_grad();
            var leaf = logprobs.detach().requires_grad_();
            using var terms = loss.Of(new TokenLossInput(
                leaf,
                old is null ? logprobs : Part(old),
                Part(advantages),
                Part(weights),
                Part(input.Rows),
                samples.Length)
            {
                ReferenceLogprobs = initial is null ? null : Part(initial),
                SamplerLogprobs = Part(sampler),
            });
            terms.Loss.backward();
            chunks.Add(IterationSums.OnDevice(terms, logprobs, Part(sampler)).DetachFromDisposeScope());
            own.Add(logprobs.alias().DetachFromDisposeScope());
            return leaf.grad!;
        });
        kept.KeepOld(microBatch, own);
        own.ForEach(chunk => chunk.Dispose());
    }

    /// <summary>
    /// Names the samples. The weights have not changed, so running each sample again shows which is not finite.
    /// </summary>
    private NotFiniteNumberException NotFinite(PolicyBatch batch, int microBatch, double value)
    {
        var samples = batch.SamplesOf(microBatch);
        PolicySample[] broken = [.. samples.Where(sample => !HasFiniteLogprobs(sample))];
        var named = broken.Length > 0 ? broken : samples;
        var more = named.Length > NamedSamples ? $" and {named.Length - NamedSamples} more" : "";
        var names = string.Join(", ", named.Take(NamedSamples).Select(sample => sample.Id));
        return new NotFiniteNumberException(
            $"The loss is {value} over {names}{more}; no weight was changed by it.", value);
    }

    private bool HasFiniteLogprobs(PolicySample sample)
    {
        using var scope = NewDisposeScope();
        using var input = Input([sample], sample.Sequence.InputLength);
        return policy.Logprobs(input).isfinite().all().cpu().item<bool>();
    }

    private MicroBatchInput Input(IReadOnlyList<PolicySample> samples, int width) =>
        new([.. samples.Select(sample => sample.Sequence)], width, policy.Device);
}
