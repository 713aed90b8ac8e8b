using Akka.Actor;
using Rollout.Actors.Blocks;
using Rollout.Actors.Protocol;

namespace Rollout.Actors.Allocation;

/// <summary>
/// Owns one device's block ledger: one mailbox, so every count changes serially. It has one state and never
/// waits. A demand that makes no sense throws; whoever started this actor decides what becomes of the decoder
/// then.
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
