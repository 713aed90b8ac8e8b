using TorchSharp;

namespace Rollout.Gpu.Interop;

/// <summary>
/// Scalars that live as long as the process. One that is made in a call, as TorchSharp makes the factor of an addition
/// that is left out, may be finalised while libtorch still reads it: it then reads what has taken its place.
/// </summary>
internal static class Scalars
{
    public static Scalar One { get; } = 1.ToScalar();
}
