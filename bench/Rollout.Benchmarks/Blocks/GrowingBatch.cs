using Rollout.Actors.Blocks;
using Rollout.Gpu.Contracts;

namespace Rollout.Benchmarks.Blocks;

/// <summary>
/// 512 sequences, 64 groups of 8, that gain one token a step. Their prompts differ in length, so that each
/// step takes about 512 / 16 new blocks, as it does in a batch that has run for a while.
/// </summary>
internal sealed class GrowingBatch
{
    public const int Sequences = 512;
    public const int Steps = 1920;
    private const int Members = 8;
    private const int BlockSize = 16;
    private const int MaxLength = 2048;

    private readonly SequenceId[] _sequences = [.. Enumerable.Range(0, Sequences)
        .Select(index => new SequenceId(new GroupId(index / Members), index % Members))];

    private readonly int[] _lengths = new int[Sequences];
    private long _step;

    public BlockLedger Ledger { get; } =
        new(new KvCacheGeometry(Sequences * MaxLength / BlockSize, BlockSize), new PolicyVersion(0));

    private static int PromptLength(int group) => 64 + (group % BlockSize);

    /// <summary>All groups at their prompts' ends, whatever was before.</summary>
    public StepDemand Restart() => Demand() with
    {
        Releases = [.. _sequences.Select(sequence => new SequenceRelease(sequence, default))],
        Admissions = [.. Enumerable.Range(0, Sequences / Members).Select(AdmissionOf)],
    };

    /// <summary>
    /// One token more for every sequence. At most <see cref="Steps"/> times after a restart.
    /// </summary>
    public StepDemand NextStep()
    {
        var growth = new SequenceGrowth[Sequences];
        for (var i = 0; i < growth.Length; i++)
            growth[i] = new SequenceGrowth(_sequences[i], default, ++_lengths[i]);
        return Demand() with { Growth = growth };
    }

    private AdmissionRequest AdmissionOf(int group)
    {
        var length = PromptLength(group);
        _lengths.AsSpan(group * Members, Members).Fill(length);
        int[] tokens = [.. Enumerable.Range(group * 1000, length)];
        var members = _sequences.AsSpan(group * Members, Members).ToArray();
        return new AdmissionRequest(members, default, tokens, MaxLength);
    }

    private StepDemand Demand() => new()
    {
        Step = ++_step,
        Version = new PolicyVersion(0),
        Written = [],
        Releases = [],
        Growth = [],
        Admissions = [],
    };
}
