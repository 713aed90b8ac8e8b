using System.Runtime.InteropServices;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;

namespace Rollout.Gpu.Execution;

/// <summary>
/// The host's side of a running step: its inputs, which the device copies in the stream's order, and its outputs,
/// which are there once <see cref="Wait"/> has returned. It is reused when the step is finished.
/// </summary>
internal sealed class StepInFlight : IDisposable
{
    private readonly CudaEvent _begun;
    private readonly CudaEvent _done;
    private readonly int _maxDraws;

    /// <param name="inputBytes">Bytes of the largest step's inputs.</param>
    /// <param name="maxDraws">The most draws of a step.</param>
    /// <exception cref="CudaException">The device has too little memory.</exception>
    public StepInFlight(int inputBytes, int maxDraws)
    {
        using var owned = new Owned();
        _maxDraws = maxDraws;
        _begun = owned.Add(new CudaEvent());
        _done = owned.Add(new CudaEvent());
        Inputs = owned.Add(new PinnedMemory(inputBytes));
        Outputs = owned.Add(new PinnedMemory(maxDraws * (sizeof(int) + (2 * sizeof(float)))));
        owned.Keep();
    }

    public PinnedMemory Inputs { get; }

    /// <summary>
    /// [draws] int32 tokens, −1 where a draw can't be sampled; then [draws] float32 log-probabilities before any filter;
    /// then, where <see cref="HasFilters"/>, [draws] float32 among the kept tokens.
    /// </summary>
    public PinnedMemory Outputs { get; }

    /// <summary>Draws of the step.</summary>
    public int DrawCount { get; set; }

    /// <summary>True where a draw's parameters filter.</summary>
    public bool HasFilters { get; set; }

    /// <summary>Marks where the device starts the step.</summary>
    public void Begin(CudaStream stream) => _begun.Record(stream);

    /// <summary>Marks the end of the step's queued work.</summary>
    public void End(CudaStream stream) => _done.Record(stream);

    /// <summary>Waits for the step. Returns the time that the device took.</summary>
    public TimeSpan Wait()
    {
        _done.Synchronize();
        return TimeSpan.FromMilliseconds(_done.MillisecondsSince(_begun));
    }

    /// <summary>Copies what the finished step sampled.</summary>
    /// <exception cref="DrawFaultException">Draws can't be sampled.</exception>
    public void CopyTo(StepOutput output)
    {
        output.Count = DrawCount;
        if (output.Tokens.Length < DrawCount)
            (output.Tokens, output.Logprobs) = (new int[_maxDraws], new float[_maxDraws]);
        var tokens = MemoryMarshal.Cast<byte, int>(Outputs.Span)[..DrawCount];
        tokens.CopyTo(output.Tokens);
        var logprobs = MemoryMarshal.Cast<byte, float>(Outputs.Span)[_maxDraws..];
        logprobs[..DrawCount].CopyTo(output.Logprobs);
        if (HasFilters)
        {
            if (output.SamplingLogprobs.Length < DrawCount)
                output.SamplingLogprobs = new float[_maxDraws];
            logprobs.Slice(_maxDraws, DrawCount).CopyTo(output.SamplingLogprobs);
        }

        if (tokens.Contains(-1))
        {
            throw new DrawFaultException(
                [.. tokens.ToArray().Index().Where(draw => draw.Item == -1).Select(draw => draw.Index)]);
        }
    }

    public void Dispose()
    {
        _begun.Dispose();
        _done.Dispose();
        Inputs.Dispose();
        Outputs.Dispose();
    }
}
