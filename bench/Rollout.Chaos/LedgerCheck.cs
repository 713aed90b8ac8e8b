using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Actors.Topology;

namespace Rollout.Chaos;

/// <summary>Joins a cluster that has nothing to do, and asks every decoder for its blocks.</summary>
internal static class LedgerCheck
{
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(5);

    /// <summary>What is wrong; null where every ledger balances and every block is back.</summary>
    public static async Task<string?> RunAsync(ChaosCluster cluster, TimeSpan patience)
    {
        await using var topology = await RolloutTopology.StartAsync(cluster.SettingsOf(ClusterRoles.Client), "");
        using var deadline = new CancellationTokenSource(patience);
        foreach (var address in cluster.DecoderAddresses)
        {
            if (await WhyNotAsync(topology.System, address, deadline.Token) is { } why)
                return $"the decoder of {address} {why}";
        }
        return null;
    }

    /// <summary>The last blocks come back with the step after the last: it is asked until they have, or time is up.</summary>
    private static async Task<string?> WhyNotAsync(ActorSystem system, string address, CancellationToken deadline)
    {
        var blocks = system.ActorSelection(
            $"akka.tcp://{RolloutTopology.SystemName}@{address}/user/decoder-cpu/*/blocks");
        var said = "did not answer";
        while (!deadline.IsCancellationRequested)
        {
            try
            {
                var report = await blocks.Ask<LedgerReport>(new QueryLedger(), AnswerTime, CancellationToken.None);
                if (report.Imbalance is { } imbalance)
                    return $"has a ledger that does not balance: {imbalance}";
                if (report is { Sequences: 0, Usage.InUse: 0 })
                    return null;
                said = $"still holds {report.Usage.InUse} blocks of {report.Sequences} sequences";
            }
            catch (AskTimeoutException)
            {
                said = "did not answer";
            }
            await Task.Delay(200, CancellationToken.None);
        }
        return said;
    }
}
