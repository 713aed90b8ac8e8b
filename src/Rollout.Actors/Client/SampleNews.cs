using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Client;

/// <summary>The next tokens of one sample, without a gap to those before.</summary>
/// <param name="Group">The group's id as it was submitted.</param>
/// <param name="Sample">Its number in the group.</param>
/// <param name="Sampled">The tokens; none where only the end is new.</param>
/// <param name="Finished">Why it ended with these tokens; null if it has not.</param>
public sealed record SampleNews(GroupId Group, int Sample, SampledTokens Sampled, FinishReason? Finished);

/// <summary>A group could not be sampled; the message says why.</summary>
public sealed class GroupFailedException(string message) : Exception(message);
