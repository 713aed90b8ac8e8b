using Rollout.Actors.Protocol;

namespace Rollout.Actors.Placement;

/// <summary>
/// How much room a group needs, and how much a decoder has: as many sequences as it can run and a few ahead, and blocks in
/// the same proportion.
/// </summary>
/// <param name="lookaheadSeqs">Sequences that a decoder may have beyond those it can run.</param>
public sealed class RoomEstimate(int lookaheadSeqs)
{
    /// <summary>Weight of one finished sample in the expected length.</summary>
    private const double Recency = 0.02;

    /// <summary>A completion is expected to need at least this share of the tokens it may have.</summary>
    private const double LeastShare = 1.0 / 16;

    private int _mostSeqs;          // the most samples that any decoder takes
    private long _mostTokens;       // the most tokens that fit into the blocks any decoder takes

    /// <summary>The share of their max tokens that finished samples needed, recent ones counting more; 1 at first.</summary>
    public double LengthShare { get; private set; } = 1;

    /// <summary>Learns from a sample that has ended with so many of the tokens that it might have had.</summary>
    public void LearnLength(int tokens, int maxTokens) =>
        LengthShare += Recency * (Math.Max((double)tokens / maxTokens, LeastShare) - LengthShare);

    /// <summary>Blocks of a prompt that a group's samples share: the full ones.</summary>
    public static int PromptBlocks(GroupRequest group, int blockSize) => group.Prompt.Length / blockSize;

    /// <summary>Blocks that a sample is expected to need of its own.</summary>
    public int OwnBlocks(GroupRequest group, SampleSlot slot, int blockSize) =>
        (group.Prompt.Length % blockSize + slot.Count + TokensToCome(group, slot) + blockSize - 1) / blockSize;

    /// <summary>Tokens that a sample is expected to still need, at least one.</summary>
    public int TokensToCome(GroupRequest group, SampleSlot slot) =>
        Math.Max(1, (int)Math.Ceiling(LengthShare * group.Samples[slot.Sample].MaxTokens) - slot.Count);

    /// <summary>Measures the decoders that are there: a group that is too large for any of them is split.</summary>
    public void MeasureLargest(IEnumerable<KnownDecoder> decoders)
    {
        (_mostSeqs, _mostTokens) = (0, 0);
        foreach (var capacity in decoders.Select(decoder => decoder.Capacity))
        {
            var (seqs, blocks) = Most(capacity, ahead: true);
            (_mostSeqs, _mostTokens) = (Math.Max(_mostSeqs, seqs), Math.Max(_mostTokens, blocks * capacity.BlockSize));
        }
    }

    /// <summary>
    /// How many of a group's waiting samples a decoder has room for: all of them or none; of a group that is larger than
    /// what any decoder takes, those that there is room for. An idle decoder takes any group, as far as it has places:
    /// what does not fit into its blocks runs later.
    /// </summary>
    /// <param name="group">Its samples wait.</param>
    /// <param name="decoder">Where they may go.</param>
    /// <param name="ahead">Counts the places of samples that wait at the decoder; else only of those that run.</param>
    public int RoomFor(RolloutGroup group, KnownDecoder decoder, bool ahead = true)
    {
        if (!decoder.TakesWork || !decoder.MayWorkOn(group))
            return 0;
        var (request, capacity) = (group.Request!, decoder.Capacity);
        var (seqs, free) = Most(capacity, ahead);
        seqs -= decoder.AssignedSeqs;
        free -= decoder.ReservedBlocks;
        var prompt = PromptBlocks(request, capacity.BlockSize);
        var blocks = decoder.Groups.ContainsKey(group) ? 0L : prompt;
        var (fit, all) = (0, (long)prompt);
        foreach (var slot in group.Slots)
        {
            if (!slot.IsWaiting)
                continue;
            var own = OwnBlocks(request, slot, capacity.BlockSize);
            (blocks, all) = (blocks + own, all + own);
            if (fit < seqs && blocks <= free)
                fit++;
        }
        if (fit == group.Waiting)
            return fit;
        var isTooLarge = group.IsSplit || group.Waiting > _mostSeqs || all * capacity.BlockSize > _mostTokens;
        return decoder.AssignedSeqs > 0 ? (isTooLarge ? fit : 0)
            : isTooLarge ? Math.Min(group.Waiting, seqs)
            : group.Waiting;
    }

    /// <summary>
    /// True if moving samples away from the rest of their group pays: they are expected to sample more tokens than the
    /// prompt has, which must be computed again.
    /// </summary>
    public bool PaysToSplit(GroupRequest group, IEnumerable<SampleSlot> moved) =>
        moved.Sum(slot => (long)TokensToCome(group, slot)) > group.Prompt.Length;

    /// <summary>The most samples that a decoder has, and the blocks that those may be expected to need.</summary>
    private (int Seqs, long Blocks) Most(DecoderCapacity capacity, bool ahead)
    {
        var seqs = capacity.MaxNumSeqs + (ahead ? lookaheadSeqs : 0);
        return (seqs, (long)capacity.Blocks * seqs / capacity.MaxNumSeqs);
    }
}
