using Rollout.Gpu.Models;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// Measures from one forward pass how often greedy decoding gives exactly the expected completion: whenever each of its
/// tokens is the most probable one after those before it. Used by <c>rollout pretrain</c>.
/// </summary>
public static class GreedyAccuracy
{
    /// <param name="model">The policy.</param>
    /// <param name="pairs">Token ids; a completion ends with the token that ends a sequence.</param>
    /// <param name="microBatchTokens">Tokens of one forward pass at most, padding included.</param>
    /// <returns>The share of pairs answered right, and that of tokens predicted right; 0 … 1.</returns>
    public static (double Pairs, double Tokens) Of(
        CausalLm model, IReadOnlyList<(int[] Prompt, int[] Completion)> pairs, int microBatchTokens)
    {
        TokenSequence[] sequences = [.. pairs.Select((pair, i) =>
            TokenSequence.Checked($"pair {i}", pair.Prompt, pair.Completion, model.Config.VocabSize))];
        using var untracked = no_grad();
        using var scope = NewDisposeScope();
        var (right, rightTokens) = (0, 0L);
        foreach (var batch in MicroBatcher.Pack([.. sequences.Select(sequence => sequence.InputLength)], microBatchTokens))
        {
            TokenSequence[] rows = [.. batch.Sequences.Select(i => sequences[i])];
            using var input = new MicroBatchInput(rows, batch.Width, model.Device);
            var attention = new SdpaAttention(input.RowCount, input.Width);
            var hidden = model.Hidden(input.Tokens, input.Positions, attention)
                .index_select(0, input.Sources);                                        // [targets, hidden]
            var hits = model.Logits(hidden).argmax(-1).eq(input.Targets).cpu().data<bool>().ToArray();
            var next = 0;
            foreach (var row in rows)
            {
                var rightOfRow = hits.AsSpan(next, row.Completion.Length).Count(true);
                right += rightOfRow == row.Completion.Length ? 1 : 0;
                rightTokens += rightOfRow;
                next += row.Completion.Length;
            }
        }
        return ((double)right / sequences.Length, (double)rightTokens / sequences.Sum(sequence => (long)sequence.Completion.Length));
    }
}
