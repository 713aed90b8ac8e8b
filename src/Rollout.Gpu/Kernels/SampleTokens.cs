using Rollout.Gpu.Interop;

namespace Rollout.Gpu.Kernels;

/// <summary>
/// Launches sample_tokens.cu, which draws tokens and their log-probabilities from logits by the rules of SamplingRng.
/// </summary>
internal sealed class SampleTokens(CudaModule module)
{
    private const int Threads = 512;

    private readonly CudaFunction _function = module.Function("sample_tokens");

    /// <summary>Launches the kernel and does not wait for it.</summary>
    /// <param name="stream">The stream that runs the kernel.</param>
    /// <param name="layout">The layout of the packed buffer.</param>
    /// <param name="inputs">The packed buffer on the device, with the step's draws.</param>
    /// <param name="logits">[rows, stride], 16-byte aligned.</param>
    /// <param name="tokens">
    /// [draws] int32, written; −1 where a draw can't be sampled because its logits are not finite.
    /// </param>
    /// <param name="logprobs">[draws] float, written; NaN where the token is −1.</param>
    /// <param name="samplingLogprobs">
    /// [draws] float, written: the token's log-probability among the tokens that the filters keep, which is the other
    /// where there is no filter; NaN where the token is −1.
    /// </param>
    /// <param name="draws">Draws, padding included; at most the layout's. Nothing is written for padding.</param>
    /// <param name="vocabulary">Logits of a row.</param>
    /// <param name="stride">Numbers from the start of a row to the start of the next.</param>
    public void Launch(
        CudaStream stream, StepInputs layout, nint inputs, nint logits, nint tokens, nint logprobs,
        nint samplingLogprobs, int draws, int vocabulary, int stride)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(draws, layout.Capacity.Draws);
        ArgumentOutOfRangeException.ThrowIfLessThan(stride, vocabulary);
        if (logits % 16 != 0)
            throw new ArgumentException("The logits must begin at a 16-byte address.", nameof(logits));
        var arguments = default(KernelArguments);
        arguments.Add(logits);
        arguments.Add(PrepareStep.At(inputs, layout.Draws));
        arguments.Add(PrepareStep.At(inputs, layout.Counts));
        arguments.Add(tokens);
        arguments.Add(logprobs);
        arguments.Add(samplingLogprobs);
        arguments.Add(vocabulary);
        arguments.Add(stride);
        _function.Launch((draws, 1), Threads, 0, stream, arguments);
    }
}
