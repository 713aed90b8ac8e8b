using Rollout.Gpu.Interop;

namespace Rollout.Gpu.Kernels;

/// <summary>
/// Launches prepare_step.cu, which computes the tokens, positions, slots and rotary angles of a step.
/// </summary>
internal sealed class PrepareStep(CudaModule module, KernelShape shape)
{
    private readonly CudaFunction _function = module.Function("prepare_step");
    private readonly int _threads = shape.HeadDim / 2 <= 32 ? 32 : 64;

    /// <summary>Launches the kernel and does not wait for it.</summary>
    /// <param name="stream">The stream that runs the kernel.</param>
    /// <param name="layout">The layout of the packed buffer.</param>
    /// <param name="inputs">The packed buffer on the device.</param>
    /// <param name="sampled">[draws of the step before] int32 tokens. Not read where the step refers to none.</param>
    /// <param name="frequencies">[head_dim / 2] float, radians per position.</param>
    /// <param name="prepared">Where the results are written for all tokens, padding included.</param>
    /// <param name="tokens">Tokens, padding included; at most the layout's.</param>
    public void Launch(
        CudaStream stream, StepInputs layout, nint inputs, nint sampled, nint frequencies,
        in PreparedTokens prepared, int tokens)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(tokens, layout.Capacity.Tokens);
        var arguments = default(KernelArguments);
        arguments.Add(At(inputs, layout.Counts));
        arguments.Add(At(inputs, layout.TokenIds));
        arguments.Add(At(inputs, layout.QueryStart));
        arguments.Add(At(inputs, layout.ContextLengths));
        arguments.Add(At(inputs, layout.TableStart));
        arguments.Add(At(inputs, layout.BlockTables));
        arguments.Add(sampled);
        arguments.Add(frequencies);
        arguments.Add(prepared.Tokens);
        arguments.Add(prepared.Positions);
        arguments.Add(prepared.Slots);
        arguments.Add(prepared.Angles);
        _function.Launch((tokens, 1), _threads, 0, stream, arguments);
    }

    internal static nint At(nint inputs, int place) => inputs + (place * sizeof(int));
}
