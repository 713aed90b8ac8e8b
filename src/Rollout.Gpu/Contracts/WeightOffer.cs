namespace Rollout.Gpu.Contracts;

/// <summary>
/// Where the weights of a policy can be fetched, and what must arrive: all that actors carry about them. Whoever holds
/// the token may read these weights, until the next offer takes its place.
/// </summary>
/// <param name="Policy">Whose weights.</param>
/// <param name="Host">The trainer's host name or address.</param>
/// <param name="Port">Its weight server's.</param>
/// <param name="Token">32 random bytes; a secret.</param>
/// <param name="Bytes">All tensors together.</param>
/// <param name="Checksum">XXH3-64 of the manifest, which has the checksum of each tensor.</param>
public sealed record WeightOffer(Policy Policy, string Host, int Port, byte[] Token, long Bytes, ulong Checksum)
{
    /// <summary>Without the token, which belongs in no log.</summary>
    public override string ToString() => $"{Policy} at {Host}:{Port}, {Bytes} bytes";
}
