namespace Rollout.Gpu.Contracts;

/// <summary>A part of the memory that training takes.</summary>
/// <param name="Name">What is kept.</param>
/// <param name="Bytes">Its size. Decimal, as a configuration may ask for more than 64 bits tell.</param>
public sealed record MemoryPart(string Name, decimal Bytes);
