using Rollout.Actors.Blocks;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Protocol;

/// <summary>The mailbox of a BlockAllocatorActor: one per device, owner of its ledger.</summary>
public interface IBlockAllocatorMessage;

/// <summary>
/// The decoder sends one per step, before the previous step starts. Answered by <see cref="BlocksReserved"/>.
/// </summary>
public sealed record ReserveBlocks(StepDemand Demand) : IBlockAllocatorMessage;

/// <summary>The step's blocks.</summary>
public sealed record BlocksReserved(StepGrant Grant) : IDecoderMessage;

/// <summary>From the decoder between two steps: blocks of older policies must no longer be found. Answered by <see cref="PrefixCacheReset"/>.</summary>
public sealed record ResetPrefixCache(PolicyVersion Version) : IBlockAllocatorMessage;

/// <summary>No block of an older policy can be found.</summary>
public sealed record PrefixCacheReset(PolicyVersion Version) : IDecoderMessage;

/// <summary>From tests, tools and the host's status view. Answered by <see cref="LedgerReport"/>.</summary>
public sealed record QueryLedger : IBlockAllocatorMessage, IWireMessage;

/// <summary>The pool's counts, and what is wrong with them (null when the ledger balances).</summary>
public sealed record LedgerReport(PoolUsage Usage, int Sequences, string? Imbalance) : IWireMessage;
