using Rollout.Gpu.Training.Losses;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// The forward and backward passes of one mini-batch. Their sums stay on the device until <see cref="Read"/>.
/// </summary>
/// <param name="policy">The weights that learn.</param>
/// <param name="loss">The token loss.</param>
/// <param name="optimizer">Collects the gradients of the micro-batches.</param>
/// <param name="memory">Reads the device's memory after the first log-probabilities.</param>
internal sealed class PolicyPass(ICompletionPass policy, PolicyLoss loss, AdamW optimizer, MemoryBoundaries memory)
    : IDisposable
{
    private readonly List<Tensor> _chunks = []; // the sums of each chunk of targets

    /// <summary>Forgets sums and gradients.</summary>
    public void Begin()
    {
        optimizer.ZeroGradients();
        policy.Begin(optimizer.Steps);
        Dispose();
    }

    /// <summary>Adds the gradient of one micro-batch.</summary>
    /// <param name="miniBatch">Weighs the tokens.</param>
    /// <param name="microBatch">Rows of its samples.</param>
    public void Backward(MiniBatch miniBatch, MicroBatch microBatch)
    {
        using var scope = NewDisposeScope();
        var samples = microBatch.Sequences.Select(i => miniBatch.Samples[i]).ToArray();
        using var input = MicroBatchInput.Of(samples, microBatch.Width, policy.Device);
        var advantages = input.ForEachTarget(samples.Select(sample => sample.Advantage));
        var weights = input.ForEachTarget(samples.Select(miniBatch.WeightsOf));
        var sampler = input.ForEachTarget(samples.Select(sample => sample.SamplerLogprobs));
        var importance = input.ForEachTarget(
            samples.Select(sample => sample.ImportanceLogprobs(loss.Recipe.ImportanceSupport)));
        var old = input.ForEachTargetIfKnown(samples.Select(sample => sample.OldLogprobs));
        var reference = input.ForEachTargetIfKnown(samples.Select(sample => sample.ReferenceLogprobs));
        var inserted = input.Inserted(samples);
        policy.Backward(input, loss.Recipe.NeedsWholeCompletions, (logprobs, start) =>
        {
            memory.AfterLogprobs();
            Tensor Part(Tensor whole) => whole.narrow(0, start, logprobs.size(0));
            using var withGradient = enable_grad();
            var leaf = logprobs.detach().requires_grad_();
            var partOfReference = reference is null ? null : Part(reference);
            using var terms = loss.Of(new TokenLossInput(
                leaf,
                old is null ? logprobs : Part(old),
                Part(advantages),
                Part(weights),
                Part(input.Rows),
                samples.Length)
            {
                ReferenceLogprobs = partOfReference,
                SamplerLogprobs = Part(importance),
            });
            terms.Loss.backward();
            var seen = LogprobSums.OnDevice(
                logprobs, Part(sampler), inserted is null ? null : Part(inserted), loss.Recipe.KlEstimator, partOfReference);
            _chunks.Add(PassSums.OnDevice(terms, seen).DetachFromDisposeScope());
            return leaf.grad!;
        });
        optimizer.Accumulate();
    }

    /// <summary>The sums since <see cref="Begin"/>, which are forgotten. Waits for the device.</summary>
    public PassSums Read()
    {
        var sums = PassSums.Read(_chunks);
        Dispose();
        return sums;
    }

    public void Dispose()
    {
        _chunks.ForEach(chunk => chunk.Dispose());
        _chunks.Clear();
    }
}
