namespace Rollout.Gpu.Contracts;

/// <summary>
/// Says where a policy's weights can be fetched and what must arrive. Actors carry offers, not weights. The token
/// allows its holder to read these weights until the next offer replaces this one.
/// </summary>
/// <param name="Policy">The policy.</param>
/// <param name="Host">The trainer's host name or address.</param>
/// <param name="Port">The port of its weight server.</param>
/// <param name="Token">32 random bytes; a secret.</param>
/// <param name="Bytes">Bytes of all tensors together.</param>
/// <param name="Checksum">XXH3-64 of the manifest, which has the checksum of each tensor.</param>
public sealed record WeightOffer(Policy Policy, string Host, int Port, byte[] Token, long Bytes, ulong Checksum)
{
    /// <summary>Leaves out the token, which belongs in no log.</summary>
    public override string ToString() => $"{Policy} at {Host}:{Port}, {Bytes} bytes";
}
