using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Interop;

/// <summary>A kernel's source does not compile: an error of this project, not of its user.</summary>
internal sealed class KernelCompileException(string source, string log)
    : DeviceException($"The kernel source {source} does not compile: {log}");
