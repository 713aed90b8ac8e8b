using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Decoding;

/// <summary>How a sample ended on a decoder.</summary>
/// <param name="Sampled">All of its tokens.</param>
/// <param name="Finished">Why it ended; null if it was handed back.</param>
internal sealed record JournalEnd(SampledTokens Sampled, FinishReason? Finished);

/// <summary>One sample of a <see cref="DecoderJournal"/>.</summary>
internal sealed class JournalEntry(SequenceId id, AssignmentId assignment, Policy? required, bool streamed)
{
    public SequenceId Id { get; } = id;

    /// <summary>The only weights that it may be sampled with; null for any.</summary>
    public Policy? RequiredPolicy { get; } = required;

    /// <summary>Its client shows its tokens as they come.</summary>
    public bool IsStreamed { get; } = streamed;

    public AssignmentId Assignment { get; set; } = assignment;

    /// <summary>The scheduler knows that the sample is here.</summary>
    public bool IsListed { get; set; } = true;

    /// <summary>Tokens that the scheduler knows.</summary>
    public int Known { get; set; }

    /// <summary>How it ended here; null while it is unfinished.</summary>
    public JournalEnd? End { get; set; }

    /// <summary>
    /// Its place among the ended samples that the scheduler doesn't know; null if it is not among them.
    /// </summary>
    public LinkedListNode<JournalEntry>? Place { get; set; }
}
