using Rollout.Gpu.Contracts;
using Rollout.Gpu.Training.Losses;

namespace Rollout.Gpu.Training;

/// <summary>
/// The completions of a <see cref="TrainBatch"/> that the model computes, checked, with advantages and weights. Groups
/// with equal rewards are left out, also where there is a KL term, but count in the loss's denominators.
/// </summary>
internal sealed class PolicyBatch
{
    private PolicyBatch(
        IReadOnlyList<PolicySample> samples, IReadOnlyList<MicroBatch> microBatches, int equalRewardGroups)
    {
        Samples = samples;
        MicroBatches = microBatches;
        EqualRewardGroups = equalRewardGroups;
    }

    /// <summary>The completions to compute, each of at least one token.</summary>
    public IReadOnlyList<PolicySample> Samples { get; }

    /// <summary>How <see cref="Samples"/> are divided into forward passes.</summary>
    public IReadOnlyList<MicroBatch> MicroBatches { get; }

    public int EqualRewardGroups { get; }

    /// <summary>The rows of a micro-batch.</summary>
    public PolicySample[] SamplesOf(int microBatch) =>
        [.. MicroBatches[microBatch].Sequences.Select(i => Samples[i])];

    /// <summary>Completion tokens of <see cref="Samples"/>.</summary>
    public int TargetCount => Samples.Sum(sample => sample.Sequence.Completion.Length);

    /// <summary>Tokens that one forward pass reads, without padding.</summary>
    public int InputCount => Samples.Sum(sample => sample.Sequence.InputLength);

    /// <summary>Tokens that one forward pass computes: with padding, or with prompts that samples share counted once.</summary>
    public long ComputedCount => MicroBatches.Sum(batch => batch.ComputedTokens);

    /// <exception cref="ArgumentException">
    /// A reward is infinite, a log-probability is not finite, a token is outside of the vocabulary, a prompt is empty,
    /// or a completion lacks a log-probability for a token.
    /// </exception>
    public static PolicyBatch From(TrainBatch batch, GrpoOptions options, int vocabularySize, bool packed = false)
    {
        var completions = batch.Groups.SelectMany(group => group.Completions).ToArray();
        var advantages = new double[completions.Length];
        var equal = GroupAdvantages.Compute(
            [.. completions.Select(completion => completion.Reward)],
            [.. batch.Groups.Select(group => group.Id)],
            [.. batch.Groups.Select(group => group.Completions.Length)],
            options.Loss,
            advantages);
        var weights = LossWeights.Of(
            options.Loss.Aggregation,
            [.. completions.Select(completion => completion.Tokens.Length)],
            options.MaxCompletionLength);

        var samples = new List<PolicySample>();
        var start = 0;
        foreach (var group in batch.Groups)
        {
            var own = advantages.AsSpan(start, group.Completions.Length);
            var computed = own.ContainsAnyExcept(0.0);
            for (var i = 0; i < own.Length; i++)
            {
                var sample = Checked(group, i, own[i], weights, vocabularySize);
                if (computed && sample.Sequence.Completion.Length > 0)
                    samples.Add(sample);
            }

            start += own.Length;
        }

        TokenSequence[] sequences = [.. samples.Select(sample => sample.Sequence)];
        var microBatches = packed
            ? MicroBatcher.PackGroups(sequences, options.MicroBatchTokens)
            : MicroBatcher.Pack([.. sequences.Select(sequence => sequence.InputLength)], options.MicroBatchTokens);
        return new PolicyBatch(samples, microBatches, equal);
    }

    private static PolicySample Checked(
        TrainGroup group, int index, double advantage, LossWeights weights, int vocabularySize)
    {
        var id = new SequenceId(group.Id, index);
        var completion = group.Completions[index];
        if (completion.SamplerLogprobs.Length != completion.Tokens.Length)
        {
            throw new ArgumentException(
                $"{id} has {completion.Tokens.Length} tokens and {completion.SamplerLogprobs.Length} " +
                "log-probabilities; expected one for each.");
        }

        var broken =
            completion.SamplerLogprobs.AsSpan().IndexOfAnyExceptInRange(float.MinValue, float.MaxValue);
        if (broken >= 0)
        {
            throw new ArgumentException(
                $"The sampler's log-probability of token {broken} of {id} is " +
                $"{completion.SamplerLogprobs[broken]}; expected a finite number.");
        }

        return new PolicySample(
            id,
            TokenSequence.Checked(id.ToString(), group.Prompt, completion.Tokens, vocabularySize),
            completion.SamplerLogprobs,
            (float)advantage,
            (float)weights.OfTokenIn(completion.Tokens.Length));
    }
}

/// <summary>One completion to learn from.</summary>
/// <param name="Id">Names it in errors.</param>
/// <param name="Sequence">Prompt and completion.</param>
/// <param name="SamplerLogprobs">[completion tokens] the sampler's log-probabilities.</param>
/// <param name="Advantage">The advantage of each of its tokens.</param>
/// <param name="Weight">The factor of each token's loss.</param>
internal sealed record PolicySample(
    SequenceId Id, TokenSequence Sequence, float[] SamplerLogprobs, float Advantage, float Weight);
