using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Execution;

/// <summary>Checks the token ids of a batch before a runner reads embeddings with them.</summary>
internal static class TokenIdCheck
{
    /// <param name="batch">The step.</param>
    /// <param name="vocabulary">The model's vocabulary size.</param>
    /// <param name="pendingDraws">
    /// Draws of the step before. A row's last token may be ~d for each of them; 0 where the host knows every token.
    /// </param>
    /// <exception cref="RowFaultException">Rows hold other ids; the exception names all of them.</exception>
    public static void Require(ForwardBatch batch, int vocabulary, int pendingDraws)
    {
        var tokens = batch.TokenIds.AsSpan(0, batch.TokenCount);
        // Where every row is one token, each token is its row's last.
        var least = batch.TokenCount == batch.RowCount ? -pendingDraws : 0;
        if (!tokens.ContainsAnyExceptInRange(least, vocabulary - 1))
            return;

        List<int> rows = [];
        for (var row = 0; row < batch.RowCount; row++)
        {
            var ids = tokens[batch.QueryStart[row]..batch.QueryStart[row + 1]];
            var known = ids[^1] < 0 && ~ids[^1] < pendingDraws ? ids[..^1] : ids;
            if (known.ContainsAnyExceptInRange(0, vocabulary - 1))
                rows.Add(row);
        }

        if (rows.Count > 0)
        {
            var first = tokens[batch.QueryStart[rows[0]]..batch.QueryStart[rows[0] + 1]];
            throw new RowFaultException(
                rows,
                $"Row {string.Join(", ", rows)} of the batch holds token ids outside of the vocabulary, such as "
                + $"{first[first.IndexOfAnyExceptInRange(0, vocabulary - 1)]}; expected 0 to {vocabulary - 1}.");
        }
    }
}
