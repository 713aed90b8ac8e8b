using Rollout.Gpu.Contracts;
using Rollout.Gpu.Training.Losses;

namespace Rollout.Gpu.Training;

/// <summary>The completions of a <see cref="TrainBatch"/>, checked, with their advantages.</summary>
internal sealed class PolicyBatch
{
    private readonly TrainBatch _batch;
    private readonly PolicySample[][] _groups;

    private PolicyBatch(TrainBatch batch, PolicySample[][] groups)
    {
        _batch = batch;
        _groups = groups;
    }

    public int GroupCount => _groups.Length;

    /// <summary>Groups whose rewards are equal; known with the advantages.</summary>
    public int EqualRewardGroups { get; private set; }

    /// <summary>All completions, group after group.</summary>
    public IEnumerable<PolicySample> Samples => _groups.SelectMany(group => group);

    /// <summary>The completions of these groups.</summary>
    public PolicySample[] SamplesOf(IEnumerable<int> groups) => [.. groups.SelectMany(group => _groups[group])];

    /// <param name="batch">The rollouts.</param>
    /// <param name="masksTruncated">Leave completions that reached their token limit out of the loss.</param>
    /// <param name="vocabularySize">Token ids are below it.</param>
    /// <exception cref="ArgumentException">
    /// A log-probability is not finite, a token is outside of the vocabulary, a prompt is empty, or a completion lacks
    /// a log-probability or a mask for a token.
    /// </exception>
    public static PolicyBatch From(TrainBatch batch, bool masksTruncated, int vocabularySize) =>
        new(batch,
        [
            .. batch.Groups.Select(group => Enumerable.Range(0, group.Completions.Length)
                .Select(index => Checked(group, index, masksTruncated, vocabularySize))
                .ToArray()),
        ]);

    /// <summary>
    /// Computes the advantages over the whole batch, and which completions have a gradient: those of groups with an
    /// advantage that is not 0, and all of them where a KL term is in the loss. Where it is in the rewards, the samples
    /// have their log-probabilities already.
    /// </summary>
    /// <exception cref="ArgumentException">A reward is infinite.</exception>
    public void ComputeAdvantages(LossRecipe recipe)
    {
        var samples = Samples.ToArray();
        var advantages = new double[samples.Length];
        EqualRewardGroups = GroupAdvantages.Compute(
            [
                .. _batch.Groups.SelectMany(group => group.Completions)
                    .Zip(samples, (completion, sample) => RewardOf(completion, sample, recipe)),
            ],
            [.. _batch.Groups.Select(group => group.Id)],
            [.. _groups.Select(group => group.Length)],
            recipe,
            advantages);
        var start = 0;
        foreach (var group in _groups)
        {
            var own = advantages.AsSpan(start, group.Length);
            var learns = recipe is { Beta: > 0, KlIn: KlIn.Loss } || own.ContainsAnyExcept(0.0);
            for (var i = 0; i < group.Length; i++)
            {
                group[i].Advantage = (float)own[i];
                group[i].HasGradient = learns && group[i].LossTokens > 0;
            }

            start += group.Length;
        }
    }

    /// <summary>A completion without a token in the loss has no KL term, as in TRL.</summary>
    private static double RewardOf(TrainCompletion completion, PolicySample sample, LossRecipe recipe) =>
        recipe.PenalizesRewards && sample.LossTokens > 0
            ? KlEstimates.PenalizedReward(
                recipe, completion.Reward, sample.OldLogprobs, sample.ReferenceLogprobs, sample.Sampled)
            : completion.Reward;

    private static PolicySample Checked(TrainGroup group, int index, bool masksTruncated, int vocabularySize)
    {
        var id = new SequenceId(group.Id, index);
        var completion = group.Completions[index];
        var tokens = completion.Tokens.Length;
        if (completion.SamplerLogprobs.Length != tokens)
        {
            throw new ArgumentException(
                $"{id} has {tokens} tokens and {completion.SamplerLogprobs.Length} log-probabilities; "
                + "expected one for each.");
        }

        if (completion.SamplingLogprobs is { } sampling && sampling.Length != tokens)
        {
            throw new ArgumentException(
                $"{id} has {tokens} tokens and {sampling.Length} log-probabilities after filters; expected one for each.");
        }

        if (completion.Sampled is { } mask && mask.Length != tokens)
            throw new ArgumentException($"{id} has {tokens} tokens and a mask of {mask.Length}; expected one for each.");

        return new PolicySample(
            id,
            TokenSequence.Checked(id.ToString(), group.Prompt, completion.Tokens, vocabularySize),
            Finite(id, completion.SamplerLogprobs, completion.Sampled),
            completion.SamplingLogprobs is { } filtered ? Finite(id, filtered, completion.Sampled) : null,
            completion.Sampled,
            isInLoss: !(masksTruncated && completion.Reason == FinishReason.Length));
    }

    private static float[] Finite(SequenceId id, float[] samplers, bool[]? sampled)
    {
        float[] logprobs = [.. samplers.Select((value, t) => sampled?[t] == false ? 0 : value)];
        var broken = logprobs.AsSpan().IndexOfAnyExceptInRange(float.MinValue, float.MaxValue);
        return broken < 0
            ? logprobs
            : throw new ArgumentException(
                $"The sampler's log-probability of token {broken} of {id} is {logprobs[broken]}; "
                + "expected a finite number.");
    }
}
