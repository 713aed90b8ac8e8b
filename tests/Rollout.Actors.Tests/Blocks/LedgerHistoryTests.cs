using FsCheck.Fluent;
using Xunit;
using Xunit.Abstractions;

namespace Rollout.Actors.Tests.Blocks;

public sealed class LedgerHistoryTests(ITestOutputHelper output)
{
    [Fact]
    public void In_any_history_the_ledger_balances_and_every_sequence_reads_its_own_tokens()
    {
        var coverage = new HistoryCoverage();
        Prop.ForAll<byte[]>(tape =>
        {
            var decoder = new LedgerDriver(tape);
            decoder.RunToTheEnd();
            coverage.Add(decoder.Coverage);
        }).Holds(runs: 1000, size: 2500);

        output.WriteLine(coverage.ToString());
        int[] seen =
        [
            coverage.Hits, coverage.Evictions, coverage.Copies,
            coverage.Preempted, coverage.Deferred, coverage.Refused,
        ];
        Assert.True(seen.Min() > 300, $"the histories met too little: {coverage}");
    }
}
