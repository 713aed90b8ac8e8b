namespace Rollout.Gpu.Weights.Transfer;

/// <summary>What a transfer may take.</summary>
public sealed record TransferOptions
{
    /// <summary>A transfer fails when nothing has come for so long, whatever was tried. Its length has no bound.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// Nothing was read or written for so long: the connection is given up. The receiver connects again and goes on where
    /// it was.
    /// </summary>
    public TimeSpan Stall { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Bytes that are read or written at a time at most.</summary>
    public int ChunkBytes { get; init; } = 1 << 20;

    /// <summary>Times that one tensor, or the manifest, may arrive with a wrong checksum.</summary>
    public int MaxCorruptions { get; init; } = 3;

    /// <summary>Connections that a server has open at most; further ones are closed at once, and come again.</summary>
    public int MaxConnections { get; init; } = 256;

    /// <summary>What deadlines are measured with.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
