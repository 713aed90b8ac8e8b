using FsCheck;
using FsCheck.Fluent;
using Xunit;
using Xunit.Abstractions;

namespace Rollout.Actors.Tests.Blocks;

public sealed class LedgerHistoryTests(ITestOutputHelper output)
{
    [Fact]
    public void In_any_history_the_ledger_balances_agrees_with_a_naive_one_and_every_sequence_reads_its_own_tokens()
    {
        var coverage = new HistoryCoverage();
        Prop.ForAll<byte[]>(tape =>
        {
            var decoder = new SimulatedDecoder(tape);
            decoder.RunToTheEnd();
            coverage.Add(decoder.Coverage);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(2000).WithEndSize(2500));

        output.WriteLine(coverage.ToString());
        Assert.All(
            [coverage.Hits, coverage.Deferred, coverage.Refused, coverage.Preempted, coverage.Copies, coverage.Evictions],
            seen => Assert.True(seen > 500, $"the histories met too little: {coverage}"));
    }
}
