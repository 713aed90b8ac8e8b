using TorchSharp;

namespace Rollout.Gpu.Interop;

/// <summary>
/// Scalars that live as long as the process. A scalar that is created in a call, such as the factor that TorchSharp
/// adds to an addition, may be finalised while libtorch still reads it, which then reads other memory.
/// </summary>
internal static class Scalars
{
    public static Scalar One { get; } = 1.ToScalar();
}
