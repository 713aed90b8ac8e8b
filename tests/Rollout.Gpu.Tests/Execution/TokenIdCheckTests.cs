using Rollout.Gpu.Contracts;
using Rollout.Gpu.Execution;
using Xunit;

namespace Rollout.Gpu.Tests.Execution;

public sealed class TokenIdCheckTests
{
    [Theory]
    [InlineData(0, "3 4 | 5", "")]
    [InlineData(0, "3 10 | 5", "0")]
    [InlineData(0, "3 | ~0 | 12", "1 2")]
    [InlineData(2, "~0 | ~1 | 9", "")]
    [InlineData(2, "3 4 ~1 | ~0", "")]
    [InlineData(2, "3 ~0 4 | 5", "0")]
    [InlineData(2, "~2 | 3", "0")]
    [InlineData(2, "~0 | 4 ~2", "1")]
    public void Rows_hold_ids_of_the_vocabulary_and_end_with_pending_draws(int pending, string rows, string faulty)
    {
        var ids = rows.Split('|').Select(row => row.Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(id => id[0] == '~' ? ~int.Parse(id[1..]) : int.Parse(id)).ToArray()).ToArray();
        var batch = new ForwardBatch
        {
            RowCount = ids.Length,
            TokenCount = ids.Sum(row => row.Length),
            TokenIds = [.. ids.SelectMany(row => row)],
            QueryStart = [.. Enumerable.Range(0, ids.Length + 1).Select(row => ids.Take(row).Sum(tokens => tokens.Length))],
        };

        var fault = Record.Exception(() => TokenIdCheck.Require(batch, vocabulary: 10, pending));

        Assert.Equal(faulty, fault is null ? "" : string.Join(' ', Assert.IsType<RowFaultException>(fault).Rows));
    }
}
