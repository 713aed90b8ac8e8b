using Rollout.Actors.Protocol;

namespace Rollout.Actors.Placement;

/// <summary>One incarnation of a decoder as the scheduler knows it: its capacity, its samples and its commands.</summary>
public sealed class KnownDecoder
{
    /// <param name="here">Its announcement.</param>
    /// <param name="epoch">The scheduler's.</param>
    /// <param name="arrival">Its place in the order of arrival.</param>
    /// <param name="toTell">Gets this decoder when there are commands to send.</param>
    public KnownDecoder(DecoderHere here, SchedulerEpoch epoch, long arrival, ISet<KnownDecoder> toTell)
    {
        (Announcement, Arrival) = (here, arrival);
        HasWorkedBefore = WorkedBefore(here, epoch);
        Commands = new CommandStream(epoch, () => toTell.Add(this));
        Load = new DeviceLoad(0, 0, here.Capacity.Blocks);
    }

    /// <summary>Its last announcement.</summary>
    public DecoderHere Announcement { get; set; }

    public DecoderId Id => Announcement.Id;

    public DecoderCapacity Capacity => Announcement.Capacity;

    /// <summary>Its place in the order of arrival.</summary>
    public long Arrival { get; }

    /// <summary>It worked for an earlier scheduler before it announced itself to this one.</summary>
    public bool HasWorkedBefore { get; }

    /// <summary>The commands to it.</summary>
    public CommandStream Commands { get; }

    /// <summary>
    /// It follows this scheduler and has reported what it held for the one before. It is given nothing before that.
    /// </summary>
    public bool HasReported { get; set; }

    /// <summary>It was lost or displaced: nothing that it says counts.</summary>
    public bool IsGone { get; set; }

    /// <summary>Entries of its reports that could not be right.</summary>
    public int RefusedEntries { get; set; }

    /// <summary>Unfinished samples that it left behind when it was lost.</summary>
    public int OrphanedSeqs { get; private set; }

    /// <summary>Tokens of those samples that were reported: they are not sampled again.</summary>
    public long OrphanedTokens { get; private set; }

    /// <summary>It may be given samples.</summary>
    public bool TakesWork => HasReported && !IsGone && !Announcement.Leaving;

    /// <summary>The groups whose samples it works on.</summary>
    public Dictionary<RolloutGroup, GroupShare> Groups { get; } = [];

    /// <summary>Unfinished samples that it works on.</summary>
    public int AssignedSeqs { get; private set; }

    /// <summary>Blocks that those samples are expected to need.</summary>
    public int ReservedBlocks { get; private set; }

    /// <summary>How full its device was at its last report.</summary>
    public DeviceLoad Load { get; set; }

    /// <summary>When it last sampled a token.</summary>
    public TimeSpan ProgressAt { get; set; }

    /// <summary>The number of its last report.</summary>
    public long LastReport { get; set; }

    /// <summary>The command by which samples were last recalled from it.</summary>
    public long LastRecall { get; set; }

    /// <summary>It has not answered a recall yet.</summary>
    public bool IsRecallOut => LastRecall > Commands.Taken;

    /// <summary>
    /// How full it is, as a share of its places or of its blocks, whichever is more: 1 is full, and more waits there.
    /// </summary>
    public double Fill => Math.Max(
        (double)AssignedSeqs / Math.Max(Capacity.MaxNumSeqs, 1),
        (double)Math.Max(ReservedBlocks, Capacity.Blocks - Load.AvailableBlocks) / Math.Max(Capacity.Blocks, 1));

    /// <summary>The decoder from which samples were recalled for this one.</summary>
    public KnownDecoder? FetchesFrom { get; set; }

    /// <summary>Samples that were recalled for it may be on their way.</summary>
    public bool IsFetching => FetchesFrom is { IsGone: false, IsRecallOut: true };

    /// <summary><see cref="DecoderRanking"/> ranks it.</summary>
    public bool IsRanked { get; set; }

    /// <summary>How full it was when <see cref="DecoderRanking"/> ranked it.</summary>
    public double RankedFill { get; set; }

    /// <summary>How many sequences waited there when <see cref="DecoderRanking"/> ranked it.</summary>
    public int RankedWaiting { get; set; }

    /// <summary>True for the announcement of a decoder that worked for an earlier scheduler.</summary>
    public static bool WorkedBefore(DecoderHere here, SchedulerEpoch epoch) =>
        here.Seen != epoch && (here.Seen.Value > 0 || here.HeldSamples > 0);

    /// <summary>
    /// It holds the required weights and can run the longest sample. Two groups that may have killed decoders never share one.
    /// </summary>
    public bool MayWorkOn(RolloutGroup group) =>
        (group.RequiredPolicy is not { } required || required == Announcement.Policy)
        && group.Longest <= Capacity.Reach
        && !(group.IsSuspect && Groups.Keys.Any(other => other.IsSuspect && other != group));

    /// <summary>Adds a sample that it works on from now on.</summary>
    public void Add(RolloutGroup group, SampleSlot slot, int promptBlocks)
    {
        if (!Groups.TryGetValue(group, out var share))
        {
            Groups.Add(group, share = new GroupShare(promptBlocks));
            ReservedBlocks += promptBlocks;
        }
        share.Seqs++;
        AssignedSeqs++;
        ReservedBlocks += slot.ReservedBlocks;
        group.AddHolder(this);
    }

    /// <summary>Removes a sample. To be called before the slot forgets its blocks.</summary>
    public void Remove(RolloutGroup group, SampleSlot slot)
    {
        AssignedSeqs--;
        ReservedBlocks -= slot.ReservedBlocks;
        var share = Groups[group];
        if (--share.Seqs > 0)
            return;
        Groups.Remove(group);
        ReservedBlocks -= share.PromptBlocks;
    }

    /// <summary>What of a decoder a group takes.</summary>
    /// <param name="promptBlocks">Blocks of the prompt, which the group's samples there share.</param>
    public sealed class GroupShare(int promptBlocks)
    {
        public int PromptBlocks { get; } = promptBlocks;

        /// <summary>Unfinished samples of the group there.</summary>
        public int Seqs { get; set; }
    }

    /// <summary>Counts a sample that it leaves behind.</summary>
    public void Orphan(SampleSlot slot) =>
        (OrphanedSeqs, OrphanedTokens) = (OrphanedSeqs + 1, OrphanedTokens + slot.Count);
}
