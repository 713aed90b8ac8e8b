using Rollout.Actors.Blocks;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Tests.Blocks;

/// <summary>
/// One completion of a simulated run. Its tokens are fixed beforehand, as if its randomness were.
/// </summary>
internal sealed class SimulatedSequence(SequenceId id, int[] prompt, int maxLength)
{
    public SequenceId Id => id;

    public int MaxLength => maxLength;

    /// <summary>Counts admissions that were asked for.</summary>
    public AdmissionId Admission { get; set; }

    /// <summary>The prompt, and what was sampled up to now.</summary>
    public int KnownTokens { get; set; } = prompt.Length;

    public int[] Tokens => [.. Enumerable.Range(0, KnownTokens).Select(TokenAt)];

    public int TokenAt(int position) =>
        position < prompt.Length ? prompt[position] : ((id.Sample * 7) + (position * 13)) % 5;
}

/// <summary>The one computation of an admitted prompt, which its members share.</summary>
internal sealed class Prefill(int tokens, IEnumerable<ulong> cached)
{
    public int Tokens => tokens;

    /// <summary>What the device must hold at each position of the prompt that is written.</summary>
    public List<ulong> Cells { get; } = [.. cached];

    /// <summary>Positions whose writing is planned or done.</summary>
    public int Planned { get; set; } = cached.Count();

    /// <summary>Positions that the ledger was told of.</summary>
    public int Reported { get; set; }

    public List<Holding> Members { get; } = [];
}

/// <summary>What the decoder knows of one admission.</summary>
internal sealed class Holding(SimulatedSequence sequence, Prefill prefill, IEnumerable<BlockId> blocks)
{
    public SimulatedSequence Sequence => sequence;

    public Prefill Prefill => prefill;

    public AdmissionId Admission { get; } = sequence.Admission;

    /// <summary>The block table, kept up by the changes that grants report.</summary>
    public List<BlockId> Table { get; } = [.. blocks];

    /// <summary>What the device must hold after the admitted tokens.</summary>
    public List<ulong> Cells { get; } = [];

    /// <summary>Positions that have a slot.</summary>
    public int Reserved { get; set; } = prefill.Tokens;

    /// <summary>Positions whose writing is planned or done, once the prompt's is.</summary>
    public int Planned { get; set; } = prefill.Tokens;

    public bool Prefilled => prefill.Planned == prefill.Tokens;

    public IEnumerable<ulong> Written => prefill.Cells.Concat(Cells);
}

/// <summary>
/// Positions [from, to) of one sequence, to be written through the table as it was when the step was planned.
/// </summary>
internal sealed record PlannedWrite(Holding Holding, BlockId[] Table, int From, int To);

/// <summary>One step on the device: the copies, then the writes.</summary>
internal sealed record PlannedStep(BlockCopy[] Copies, List<PlannedWrite> Writes);
