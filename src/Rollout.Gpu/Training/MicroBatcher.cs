namespace Rollout.Gpu.Training;

/// <summary>Divides sequences into micro-batches.</summary>
internal static class MicroBatcher
{
    /// <summary>
    /// Sorts by length, longest first (what does not fit in memory fails at once, and neighbours pad little),
    /// and fills each micro-batch while its tokens stay within the budget. A sequence longer than
    /// the budget is a micro-batch by itself. Equal lengths keep their order: the same lengths give the same
    /// micro-batches.
    /// </summary>
    /// <param name="lengths">[sequences] the tokens of each in the forward pass.</param>
    /// <param name="tokenBudget">Tokens of a micro-batch, padding included.</param>
    /// <param name="padded">Rows are padded to the longest one, so that a micro-batch has rows × its length.</param>
    public static IReadOnlyList<MicroBatch> Pack(IReadOnlyList<int> lengths, int tokenBudget, bool padded = true)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(tokenBudget, 1);
        var order = Enumerable.Range(0, lengths.Count).OrderByDescending(i => lengths[i]).ToArray(); // stable
        var batches = new List<MicroBatch>();
        for (var start = 0; start < order.Length;)
        {
            var width = lengths[order[start]];
            long tokens = width;
            var rows = 1;
            for (; start + rows < order.Length; rows++)
            {
                tokens += padded ? width : lengths[order[start + rows]];
                if (tokens > tokenBudget)
                    break;
            }

            batches.Add(new MicroBatch(order[start..(start + rows)], width));
            start += rows;
        }

        return batches;
    }
}

/// <summary>Sequences of one forward and backward pass.</summary>
/// <param name="Sequences">Indices into the packed sequences, longest first.</param>
/// <param name="Width">Tokens of a row, padding included: the longest sequence's.</param>
internal sealed record MicroBatch(int[] Sequences, int Width)
{
    /// <summary>Tokens of the pass, padding included.</summary>
    public long PaddedTokens => (long)Sequences.Length * Width;
}
