namespace Rollout.Gpu.Training;

/// <summary>Divides sequences into micro-batches.</summary>
internal static class MicroBatcher
{
    /// <summary>
    /// Sorts by length, longest first (what does not fit in memory fails at once, and neighbours pad little),
    /// and fills each micro-batch while rows × its longest row stay within the budget. A sequence longer than
    /// the budget is a micro-batch by itself. Equal lengths keep their order: the same lengths give the same
    /// micro-batches.
    /// </summary>
    /// <param name="lengths">[sequences] the tokens of each in the forward pass.</param>
    /// <param name="tokenBudget">Tokens of a micro-batch, padding included.</param>
    public static IReadOnlyList<MicroBatch> Pack(IReadOnlyList<int> lengths, int tokenBudget)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(tokenBudget, 1);
        var order = Enumerable.Range(0, lengths.Count).OrderByDescending(i => lengths[i]).ToArray(); // stable
        var batches = new List<MicroBatch>();
        for (var start = 0; start < order.Length;)
        {
            var width = lengths[order[start]];
            var fitting = width == 0 ? order.Length : Math.Max(1, tokenBudget / width);
            var rows = Math.Min(fitting, order.Length - start);
            batches.Add(new MicroBatch(order[start..(start + rows)], width));
            start += rows;
        }

        return batches;
    }

    /// <summary>
    /// The same without padding, and with a prompt that several sequences share counted once in a micro-batch: groups
    /// stay together, the one with the longest sequence first.
    /// </summary>
    /// <param name="sequences">Prompts and completions.</param>
    /// <param name="tokenBudget">Tokens of a micro-batch.</param>
    public static IReadOnlyList<MicroBatch> PackGroups(IReadOnlyList<TokenSequence> sequences, int tokenBudget)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(tokenBudget, 1);
        var groups = Enumerable.Range(0, sequences.Count)
            .GroupBy(i => PackedLayout.GroupOf(sequences[i]))
            .Select(group => group.OrderByDescending(i => sequences[i].InputLength).ToArray())
            .OrderByDescending(group => sequences[group[0]].InputLength);
        var batches = new List<MicroBatch>();
        var filling = new List<int>();
        var tokens = 0L;
        void Close()
        {
            if (filling.Count > 0)
            {
                batches.Add(new MicroBatch([.. filling], filling.Max(i => sequences[i].InputLength))
                {
                    ComputedTokens = tokens,
                });
            }

            filling.Clear();
            tokens = 0;
        }

        foreach (var group in groups)
        {
            var hasPrompt = false;
            foreach (var i in group)
            {
                var own = sequences[i].InputLength - (hasPrompt ? sequences[i].Prompt.Length : 0);
                if (tokens > 0 && tokens + own > tokenBudget)
                {
                    Close();
                    own = sequences[i].InputLength;
                }

                filling.Add(i);
                tokens += own;
                hasPrompt = true;
            }
        }

        Close();
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

    /// <summary>Tokens that the pass computes: padding included, or a shared prompt counted once.</summary>
    public long ComputedTokens { get; init; } = (long)Sequences.Length * Width;
}
