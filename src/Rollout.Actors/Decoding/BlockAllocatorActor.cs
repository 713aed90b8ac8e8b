using Akka.Actor;
using Rollout.Actors.Blocks;
using Rollout.Actors.Protocol;

namespace Rollout.Actors.Decoding;

/// <summary>
/// Owns one device's block ledger, so that its counts change serially. It has one state and never waits. A senseless
/// demand throws, and the decoder, its parent, fails with it.
/// </summary>
public sealed class BlockAllocatorActor : ReceiveActor
{
    public BlockAllocatorActor(BlockLedger ledger)
    {
        ArgumentNullException.ThrowIfNull(ledger);
        Receive<ReserveBlocks>(ask => Sender.Tell(new BlocksReserved(ledger.Reserve(ask.Demand))));
        Receive<ResetPrefixCache>(reset =>
        {
            ledger.ResetPolicy(reset.Version);
            Sender.Tell(new PrefixCacheReset(reset.Version));
        });
        Receive<QueryLedger>(_ =>
            Sender.Tell(new LedgerReport(ledger.Usage, ledger.SequenceCount, ledger.Imbalance())));
    }
}
