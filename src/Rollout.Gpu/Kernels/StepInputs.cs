namespace Rollout.Gpu.Kernels;

/// <summary>
/// Where everything that the host tells the device about one step lies in one packed buffer of 32-bit numbers,
/// which one copy brings to the device. Places depend on the capacity alone, never on a step's contents, so
/// kernels recorded in a graph find each step's numbers at the same addresses; how many are valid stands in
/// <see cref="Counts"/>. Block tables come last, because only they are mostly empty. All places are in 32-bit
/// numbers from the buffer's start, 16-byte aligned.
/// </summary>
internal sealed class StepInputs
{
    /// <summary>Numbers of <see cref="Counts"/>: tokens, rows, draws, rows of logits, copies; the rest are 0.</summary>
    public const int CountInts = 16;

    public const int TokenCount = 0;
    public const int RowCount = 1;
    public const int DrawCount = 2;
    public const int LogitCount = 3;
    public const int CopyCount = 4;

    /// <summary>
    /// Numbers of a draw: row of logits, position, key (low, high), then as floats' bits temperature, top-p and
    /// min-p around top-k: temperature, top_k, top_p, min_p.
    /// </summary>
    public const int DrawInts = 8;

    /// <param name="capacity">The largest step.</param>
    /// <param name="shape">Of the kernels.</param>
    public StepInputs(StepCapacity capacity, KernelShape shape)
    {
        Capacity = capacity;
        var perItem = shape.TokensPerItem;
        MaxSharedTokens = SharedPrefixes.Levels * capacity.Rows;
        MaxSegments = (capacity.Tokens / perItem) + ((1 + SharedPrefixes.Levels) * capacity.Rows) + capacity.Parts;
        // A row's shared and own results, and those of items that parts' ends cut.
        MaxMergeEntries = MaxSharedTokens + capacity.Rows + (2 * capacity.Parts * perItem);
        MaxPartialVectors = MaxMergeEntries * shape.GroupSize;

        var end = 0;
        int Place(int ints)
        {
            var start = end;
            end += (ints + 3) / 4 * 4;
            return start;
        }

        Counts = Place(CountInts);
        TokenIds = Place(capacity.Tokens);
        QueryStart = Place(capacity.Rows + 1);
        ContextLengths = Place(capacity.Rows);
        TableStart = Place(capacity.Rows + 1);
        LogitTokens = Place(capacity.Draws);
        Draws = Place(capacity.Draws * DrawInts);
        CopyPairs = Place(2 * capacity.Copies);
        PartStart = Place(capacity.Parts + 1);
        Segments = Place(MaxSegments * AttentionSegment.Ints);
        SharedTokens = Place(MaxSharedTokens);
        MergeStart = Place(capacity.Tokens + 1);
        MergeEntries = Place(MaxMergeEntries);
        BlockTables = end;
        Ints = Place(capacity.TableEntries) + ((capacity.TableEntries + 3) / 4 * 4);
    }

    public StepCapacity Capacity { get; }

    /// <summary>Of the whole buffer.</summary>
    public int Ints { get; }

    public int MaxSegments { get; }

    public int MaxSharedTokens { get; }

    public int MaxMergeEntries { get; }

    /// <summary>Query vectors of partial attention results for each KV head: what the workspace must hold.</summary>
    public int MaxPartialVectors { get; }

    /// <summary>[16], see <see cref="CountInts"/>.</summary>
    public int Counts { get; }

    /// <summary>[tokens]; a negative id ~d is the token that draw d of the step before sampled.</summary>
    public int TokenIds { get; }

    /// <summary>[rows + 1].</summary>
    public int QueryStart { get; }

    /// <summary>[rows].</summary>
    public int ContextLengths { get; }

    /// <summary>[rows + 1], from <see cref="BlockTables"/> on.</summary>
    public int TableStart { get; }

    /// <summary>[draws] the token that each row of logits is of, once for each row with draws; −1 is padding.</summary>
    public int LogitTokens { get; }

    /// <summary>[draws, 8].</summary>
    public int Draws { get; }

    /// <summary>[copies, 2] source and destination block.</summary>
    public int CopyPairs { get; }

    /// <summary>[parts + 1] and what follows: <see cref="AttentionSchedule"/>.</summary>
    public int PartStart { get; }

    public int Segments { get; }

    public int SharedTokens { get; }

    public int MergeStart { get; }

    public int MergeEntries { get; }

    /// <summary>The rows' block tables, one after another, to the end of the buffer.</summary>
    public int BlockTables { get; }
}

/// <summary>The largest step that a packed buffer is laid out for.</summary>
/// <param name="Tokens">Tokens, padding included.</param>
/// <param name="Rows">Rows.</param>
/// <param name="Draws">Draws, and so rows of logits.</param>
/// <param name="Copies">Blocks to copy.</param>
/// <param name="TableEntries">Entries of all rows' block tables.</param>
/// <param name="Parts">The attention schedule's.</param>
internal sealed record StepCapacity(int Tokens, int Rows, int Draws, int Copies, int TableEntries, int Parts)
{
    /// <summary>Whether everything of a step laid out with the smaller one also fits here.</summary>
    public bool Holds(StepCapacity other) =>
        other.Tokens <= Tokens && other.Rows <= Rows && other.Draws <= Draws && other.Copies <= Copies
        && other.TableEntries <= TableEntries && other.Parts == Parts;
}
