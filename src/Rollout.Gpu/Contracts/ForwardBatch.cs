namespace Rollout.Gpu.Contracts;

/// <summary>
/// One step's work on one device, in host memory: the tokens of all rows, one row after another and without padding.
/// A row is the part of one sequence that this step computes: a chunk of its prompt, or one new token. The planner
/// owns the arrays and reuses them from step to step; only the stated lengths are valid.
/// </summary>
public sealed class ForwardBatch
{
    /// <summary>Tokens in <see cref="TokenIds"/>, <see cref="Positions"/> and <see cref="SlotMapping"/>.</summary>
    public int TokenCount { get; set; }

    /// <summary>
    /// Rows in <see cref="QueryStart"/> (+1), <see cref="ContextLengths"/> and <see cref="BlockTableStart"/> (+1).
    /// </summary>
    public int RowCount { get; set; }

    /// <summary>Entries of <see cref="Draws"/>.</summary>
    public int DrawCount { get; set; }

    /// <summary>True where a draw's parameters filter.</summary>
    public bool HasFilters
    {
        get
        {
            foreach (ref readonly var draw in Draws.AsSpan(0, DrawCount))
            {
                if (draw.Sampling.Filters)
                    return true;
            }

            return false;
        }
    }

    /// <summary>
    /// [tokens] vocabulary ids. Where <see cref="IModelRunner.MaxStepsUnderWay"/> is 2, a row's last token may be ~d: the
    /// token that draw d of the step before samples, which the host doesn't know yet.
    /// </summary>
    public int[] TokenIds { get; set; } = [];

    /// <summary>[tokens] each token's place in its sequence, from 0 (RoPE).</summary>
    public int[] Positions { get; set; } = [];

    /// <summary>[tokens] where each token's key and value go: block × block_size + offset.</summary>
    public int[] SlotMapping { get; set; } = [];

    /// <summary>[rows + 1] the first token of each row; the last entry is <see cref="TokenCount"/>.</summary>
    public int[] QueryStart { get; set; } = [];

    /// <summary>[rows] the number of tokens that the row's last token attends to, itself included.</summary>
    public int[] ContextLengths { get; set; } = [];

    /// <summary>[rows + 1] where each row's block table begins in <see cref="BlockTables"/>.</summary>
    public int[] BlockTableStart { get; set; } = [];

    /// <summary>The rows' block tables, one after another. Each has the blocks that the row's context needs.</summary>
    public int[] BlockTables { get; set; } = [];

    /// <summary>
    /// [draws] the tokens to sample. Several draws may share a row: a group's samples after its prefill.
    /// </summary>
    public Draw[] Draws { get; set; } = [];

    /// <summary>
    /// Block copies to make before anything is written. All sources are read before any destination is written.
    /// </summary>
    public List<BlockCopy> Copies { get; } = [];
}

/// <summary>One token to sample from the logits after the last token of a row.</summary>
/// <param name="Row">The row of the batch.</param>
/// <param name="Position">The sampled token's place in its sequence, which is part of its randomness.</param>
/// <param name="Key">The sequence's key: <c>SamplingRng.SequenceKey(seed, sequence)</c>.</param>
/// <param name="Sampling">Temperature and filters.</param>
public readonly record struct Draw(int Row, int Position, ulong Key, SamplingParams Sampling);
