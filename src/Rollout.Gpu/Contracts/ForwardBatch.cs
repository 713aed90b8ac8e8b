namespace Rollout.Gpu.Contracts;

/// <summary>
/// One step's work on one device, in host memory: tokens of all rows one after another, without padding.
/// A row is the part of one sequence that this step computes: a chunk of a prompt or one new token.
/// The arrays are the planner's own and reused from step to step; only the stated lengths are valid.
/// </summary>
public sealed class ForwardBatch
{
    /// <summary>Tokens in <see cref="TokenIds"/>, <see cref="Positions"/> and <see cref="SlotMapping"/>.</summary>
    public int TokenCount { get; set; }

    /// <summary>Rows in <see cref="QueryStart"/> (+1), <see cref="ContextLengths"/> and <see cref="BlockTableStart"/> (+1).</summary>
    public int RowCount { get; set; }

    /// <summary>Entries of <see cref="Draws"/>.</summary>
    public int DrawCount { get; set; }

    /// <summary>
    /// [tokens] the vocabulary id of each token; or, where the host doesn't know it yet, ~d: the token that draw d of the
    /// step before samples. Only runners whose <see cref="IModelRunner.StepsAhead"/> is 2 are given those.
    /// </summary>
    public int[] TokenIds { get; set; } = [];

    /// <summary>[tokens] the place of each token in its sequence, from 0 (RoPE).</summary>
    public int[] Positions { get; set; } = [];

    /// <summary>[tokens] where its key and value go: block × block_size + offset.</summary>
    public int[] SlotMapping { get; set; } = [];

    /// <summary>[rows + 1] the first token of each row; the last entry is <see cref="TokenCount"/>.</summary>
    public int[] QueryStart { get; set; } = [];

    /// <summary>[rows] tokens that the row's last token attends to, itself included.</summary>
    public int[] ContextLengths { get; set; } = [];

    /// <summary>[rows + 1] where each row's block table begins in <see cref="BlockTables"/>.</summary>
    public int[] BlockTableStart { get; set; } = [];

    /// <summary>The rows' block tables one after another, each of as many blocks as its context needs.</summary>
    public int[] BlockTables { get; set; } = [];

    /// <summary>[draws] tokens to sample; several draws may share a row (a group after its prefill).</summary>
    public Draw[] Draws { get; set; } = [];

    /// <summary>Copies to make before anything is written, sources read first.</summary>
    public List<BlockCopy> Copies { get; } = [];
}

/// <summary>One token to sample from the logits after the last token of a row.</summary>
/// <param name="Row">The row of the batch.</param>
/// <param name="Position">The place that the sampled token takes in its sequence: part of its randomness.</param>
/// <param name="Key">The sequence's key: <c>SamplingRng.SequenceKey(seed, sequence)</c>.</param>
/// <param name="Sampling">Temperature and filters.</param>
public readonly record struct Draw(int Row, int Position, ulong Key, SamplingParams Sampling);
