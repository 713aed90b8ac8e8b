using Rollout.Actors.Protocol;
using Rollout.Actors.Text;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Batching;

/// <summary>Makes a group's samples into sequences.</summary>
/// <param name="limits">What the device runs.</param>
/// <param name="sequenceKey">The key of a sequence's randomness, by seed and id.</param>
/// <param name="tokenizer">Reads along for stop texts; null where the model has none.</param>
internal sealed class SequenceFactory(
    PlannerLimits limits, Func<ulong, SequenceId, ulong> sequenceKey, HuggingFaceTokenizer? tokenizer)
{
    /// <summary>Why a group can never run here; null where it can.</summary>
    public string? WhyNever(GroupRequest group)
    {
        var longest = group.Prompt.Length + group.Samples.Max(sample => sample.MaxTokens);
        if (longest > limits.MaxModelLength)
        {
            return $"prompt of {group.Prompt.Length} and {longest - group.Prompt.Length} new tokens exceed the longest"
                + $" sequence of {limits.MaxModelLength} tokens";
        }
        return tokenizer is null && Array.Exists(group.Samples, sample => sample.StopTexts.Length > 0)
            ? "it has stop texts, and the model has no tokenizer to find them with"
            : null;
    }

    public Sequence Create(GroupRequest group, SampleStart start, long age)
    {
        var sampling = group.Samples[start.Sample];
        var stopTexts = tokenizer is not null && sampling.StopTexts is [_, ..] texts
            ? new StopTextSearch(tokenizer, texts)
            : null;
        var key = sequenceKey(sampling.Seed, new SequenceId(group.Id, start.Sample));
        return new Sequence(group, start, key, age, stopTexts);
    }
}
