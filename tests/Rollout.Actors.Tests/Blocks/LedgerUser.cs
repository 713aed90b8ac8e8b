using Rollout.Actors.Blocks;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Blocks;

/// <summary>Short words for the demands that the examples make of a ledger, audited after each.</summary>
internal sealed class LedgerUser(int blocks, int blockSize = 4, bool prefixCaching = true)
{
    private long _step;

    public BlockLedger Ledger { get; } =
        new(new KvCacheGeometry(blocks, blockSize), new PolicyVersion(1), prefixCaching) { Audited = true };

    public PoolUsage Usage => Ledger.Usage;

    public static SequenceId Sequence(int sample, int group = 1) => new(new GroupId(group), sample);

    public static SequenceId[] Group(int members, int group = 1) =>
        [.. Enumerable.Range(0, members).Select(sample => Sequence(sample, group))];

    /// <summary>first, first + 1, …</summary>
    public static int[] Tokens(int count, int first = 100) => [.. Enumerable.Range(first, count)];

    public StepDemand Demand() => new()
    {
        Step = ++_step,
        Version = Ledger.Version,
        Written = [],
        Releases = [],
        Growth = [],
        Admissions = [],
    };

    public AdmissionAnswer Admit(SequenceId[] members, int[] tokens, int maxLength = 16, int admission = 0)
    {
        var demand = Demand() with { Admissions = [new(members, new AdmissionId(admission), tokens, maxLength)] };
        return Assert.Single(Ledger.Reserve(demand).Answers);
    }

    public AdmissionAnswer.Granted Granted(
        SequenceId[] members, int[] tokens, int maxLength = 16, int admission = 0) =>
        Assert.IsType<AdmissionAnswer.Granted>(Admit(members, tokens, maxLength, admission));

    public AdmissionAnswer.Granted Granted(int group, int[] tokens) => Granted([Sequence(0, group)], tokens);

    public StepGrant Grow(params (SequenceId Sequence, int Tokens)[] growth) => Ledger.Reserve(
        Demand() with { Growth = [.. growth.Select(to => new SequenceGrowth(to.Sequence, default, to.Tokens))] });

    public StepGrant Write(SequenceId sequence, int tokens, int admission = 0) =>
        Ledger.Reserve(Demand() with { Written = [new(sequence, new AdmissionId(admission), tokens)] });

    public StepGrant Release(SequenceId sequence, int admission = 0) =>
        Ledger.Reserve(Demand() with { Releases = [new(sequence, new AdmissionId(admission))] });

    /// <summary>A prompt that was computed and has gone again, so that its full blocks are cached.</summary>
    public BlockId[] Cache(int group, int[] tokens)
    {
        var granted = Granted(group, tokens);
        Write(Sequence(0, group), tokens.Length);
        Release(Sequence(0, group));
        return granted.Blocks;
    }
}
