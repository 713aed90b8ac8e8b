using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Weights.Transfer;

/// <summary>The limits of weight transfers: times, sizes and numbers of connections.</summary>
public sealed record TransferOptions
{
    /// <summary>A transfer fails when nothing has arrived for this long. Its whole duration has no bound.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// A connection ends when nothing was read or written for this long. The receiver connects again and goes on at the byte
    /// where it stopped.
    /// </summary>
    public TimeSpan Stall { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>The most bytes that are read or written at a time.</summary>
    public int ChunkBytes { get; init; } = 1 << 20;

    /// <summary>A transfer fails when one tensor, or the manifest, arrived this often with a wrong checksum.</summary>
    public int MaxCorruptions { get; init; } = 3;

    /// <summary>A connection must have shown its certificate and its token this long after it was accepted.</summary>
    public TimeSpan Greeting { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>The connections that a server keeps; peers are those that have shown their token.</summary>
    public ConnectionLimits Connections { get; init; } = new(Peers: 256, PeersOfAddress: 256, Strangers: 64, StrangersOfAddress: 16);

    /// <summary>The clock of all deadlines.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
