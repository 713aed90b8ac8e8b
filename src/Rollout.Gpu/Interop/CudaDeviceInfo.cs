namespace Rollout.Gpu.Interop;

/// <summary>What kernels are compiled and launched by.</summary>
/// <param name="Ordinal">The device's number, as torch counts.</param>
/// <param name="Name">Its marketing name.</param>
/// <param name="ComputeMajor">Compute capability, before the dot.</param>
/// <param name="ComputeMinor">After it.</param>
/// <param name="MultiprocessorCount">Streaming multiprocessors.</param>
/// <param name="SharedBytesPerBlock">Shared memory that one thread block can have, opted in.</param>
/// <param name="L2Bytes">Second-level cache.</param>
/// <param name="DriverVersion">1000 × major + 10 × minor of the newest CUDA the driver knows.</param>
internal sealed record CudaDeviceInfo(
    int Ordinal, string Name, int ComputeMajor, int ComputeMinor, int MultiprocessorCount,
    int SharedBytesPerBlock, int L2Bytes, int DriverVersion)
{
    /// <summary>The architecture that NVRTC compiles for, e.g. sm_90a.</summary>
    /// <remarks>From Hopper on, the letter a admits the instructions that only this chip has.</remarks>
    public string Architecture => $"sm_{ComputeMajor}{ComputeMinor}{(ComputeMajor >= 9 ? "a" : "")}";
}
