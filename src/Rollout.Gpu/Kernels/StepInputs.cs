namespace Rollout.Gpu.Kernels;

/// <summary>
/// The layout of a step's inputs: one packed buffer of 32-bit numbers, which one copy brings to the device. Places
/// depend on the capacity alone, so that kernels in a recorded graph find each step's numbers at the same addresses.
/// <see cref="Counts"/> says how many are valid. Block tables come last, because only they are mostly empty. Places
/// are 16-byte aligned and count 32-bit numbers from the buffer's start.
/// </summary>
internal sealed class StepInputs
{
    /// <summary>Size of <see cref="Counts"/>: tokens, rows, draws, rows of logits, copies, then zeros.</summary>
    public const int CountInts = 16;

    public const int TokenCount = 0;
    public const int RowCount = 1;
    public const int DrawCount = 2;
    public const int LogitCount = 3;
    public const int CopyCount = 4;

    /// <summary>
    /// Size of a draw: row of logits, position, key (low, high), temperature, top_k, top_p, min_p. Temperature, top_p
    /// and min_p are the bits of floats.
    /// </summary>
    public const int DrawInts = 8;

    /// <param name="capacity">The largest step.</param>
    /// <param name="shape">What the kernels are compiled for.</param>
    public StepInputs(StepCapacity capacity, KernelShape shape)
    {
        Capacity = capacity;
        var perItem = shape.TokensPerItem;
        MaxSharedTokens = SharedPrefixes.Levels * capacity.Rows;
        MaxSegments = (capacity.Tokens / perItem) + ((1 + SharedPrefixes.Levels) * capacity.Rows) + capacity.Parts;
        // The shared and own results of rows, and those of items that are cut where parts end.
        MaxMergeEntries = MaxSharedTokens + capacity.Rows + (2 * capacity.Parts * perItem);
        MaxPartialVectors = MaxMergeEntries * shape.QueriesPerKvHead;

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

    /// <summary>The buffer's size in 32-bit numbers.</summary>
    public int Ints { get; }

    public int MaxSegments { get; }

    public int MaxSharedTokens { get; }

    public int MaxMergeEntries { get; }

    /// <summary>Partial results of a KV head that the workspace must hold, in query vectors.</summary>
    public int MaxPartialVectors { get; }

    /// <summary>[16] see <see cref="CountInts"/>.</summary>
    public int Counts { get; }

    /// <summary>[tokens] ids. A negative id ~d is the token that draw d of the step before sampled.</summary>
    public int TokenIds { get; }

    /// <summary>[rows + 1].</summary>
    public int QueryStart { get; }

    /// <summary>[rows].</summary>
    public int ContextLengths { get; }

    /// <summary>[rows + 1] relative to <see cref="BlockTables"/>.</summary>
    public int TableStart { get; }

    /// <summary>[draws] the token of each row of logits, one for each row with draws; −1 for padding.</summary>
    public int LogitTokens { get; }

    /// <summary>[draws, 8].</summary>
    public int Draws { get; }

    /// <summary>[copies, 2] source and destination block.</summary>
    public int CopyPairs { get; }

    /// <summary>[parts + 1] This and what follows comes from <see cref="AttentionSchedule"/>.</summary>
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
/// <param name="Draws">Draws, and so the most rows of logits.</param>
/// <param name="Copies">Blocks to copy.</param>
/// <param name="TableEntries">Entries of all rows' block tables.</param>
/// <param name="Parts">Parts of the attention schedule.</param>
internal readonly record struct StepCapacity(int Tokens, int Rows, int Draws, int Copies, int TableEntries, int Parts)
{
    /// <summary>Whether a step of the other size fits.</summary>
    public bool Holds(StepCapacity other) =>
        other.Tokens <= Tokens && other.Rows <= Rows && other.Draws <= Draws && other.Copies <= Copies
        && other.TableEntries <= TableEntries && other.Parts == Parts;
}
