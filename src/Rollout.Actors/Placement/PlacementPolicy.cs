using Rollout.Actors.Protocol;

namespace Rollout.Actors.Placement;

/// <summary>
/// How much room a group needs and how much there is: a decoder takes samples while, with them, it has no more than it
/// can run and a little ahead of it, in places as in blocks.
/// </summary>
/// <param name="lookaheadSeqs">Sequences that a decoder may have beyond those it can run.</param>
public sealed class PlacementPolicy(int lookaheadSeqs)
{
    /// <summary>Weight of one finished sample in the expected length.</summary>
    private const double Recency = 0.02;

    /// <summary>A completion is expected to need at least this share of the tokens it may have.</summary>
    private const double LeastShare = 1.0 / 16;

    /// <summary>The share of their max tokens that finished samples came to need, late ones counting more; 1 at first.</summary>
    public double LengthShare { get; private set; } = 1;

    /// <summary>A sample has ended with so many of the tokens that it might have had.</summary>
    public void Learn(int tokens, int maxTokens) =>
        LengthShare += Recency * (Math.Max((double)tokens / maxTokens, LeastShare) - LengthShare);

    /// <summary>Blocks of a prompt that the samples of a group share: its full ones.</summary>
    public static int PromptBlocks(GroupRequest group, int blockSize) => group.Prompt.Length / blockSize;

    /// <summary>Blocks that a sample is expected to need of its own.</summary>
    public int OwnBlocks(GroupRequest group, SampleSlot slot, int blockSize) =>
        (group.Prompt.Length % blockSize + slot.Count + TokensToCome(group, slot) + blockSize - 1) / blockSize;

    /// <summary>Tokens that a sample is expected to sample yet, at least one.</summary>
    public int TokensToCome(GroupRequest group, SampleSlot slot) =>
        Math.Max(1, (int)Math.Ceiling(LengthShare * group.Samples[slot.Sample].MaxTokens) - slot.Count);

    /// <summary>Samples that a decoder has at most, and the blocks that those may be expected to need.</summary>
    /// <param name="capacity">The decoder's.</param>
    /// <param name="ahead">With those that wait there; else only those that run.</param>
    public (int Seqs, long Blocks) Most(DecoderCapacity capacity, bool ahead = true)
    {
        var seqs = capacity.MaxNumSeqs + (ahead ? lookaheadSeqs : 0);
        return (seqs, (long)capacity.Blocks * seqs / capacity.MaxNumSeqs);
    }

    /// <summary>
    /// Moving samples that have not begun away from the rest of their group pays: the tokens that they may sample there
    /// at once are more than the prompt's, which has to be computed again.
    /// </summary>
    public bool PaysToSplit(GroupRequest group, IEnumerable<SampleSlot> moved) =>
        moved.Sum(slot => (long)TokensToCome(group, slot)) > group.Prompt.Length;
}
