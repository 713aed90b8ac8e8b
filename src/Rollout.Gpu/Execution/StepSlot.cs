using System.Runtime.InteropServices;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;

namespace Rollout.Gpu.Execution;

/// <summary>
/// What one step under way has on the host: its inputs, which the device copies when their turn comes, and its outputs,
/// which are there once <see cref="Wait"/> has returned. Used again when its step is finished.
/// </summary>
internal sealed class StepSlot : IDisposable
{
    private readonly CudaEvent _begun;
    private readonly CudaEvent _done;
    private readonly int _maxDraws;

    /// <param name="inputBytes">Of the largest step.</param>
    /// <param name="maxDraws">Likewise.</param>
    /// <exception cref="CudaException">The memory is not there.</exception>
    public StepSlot(int inputBytes, int maxDraws)
    {
        using var owned = new Owned();
        _maxDraws = maxDraws;
        _begun = owned.Add(new CudaEvent(timed: true));
        _done = owned.Add(new CudaEvent(timed: true));
        Inputs = owned.Add(new PinnedMemory(inputBytes));
        Outputs = owned.Add(new PinnedMemory(maxDraws * (sizeof(int) + sizeof(float))));
        owned.Keep();
    }

    public PinnedMemory Inputs { get; }

    /// <summary>[draws] int32 tokens, −1 where logits were not finite; [draws] float32 log-probabilities.</summary>
    public PinnedMemory Outputs { get; }

    /// <summary>Draws of the step, 0 where it has none.</summary>
    public int DrawCount { get; set; }

    /// <summary>The device starts with the step here.</summary>
    public void Begin(CudaStream stream) => _begun.Record(stream);

    /// <summary>Everything of the step has been queued.</summary>
    public void End(CudaStream stream) => _done.Record(stream);

    /// <summary>Waits for the step; returns how long the device took for it.</summary>
    public TimeSpan Wait()
    {
        _done.Synchronize();
        return TimeSpan.FromMilliseconds(_done.MillisecondsSince(_begun));
    }

    /// <summary>Reads what the finished step has sampled.</summary>
    /// <exception cref="DrawFaultException">Logits of draws are not finite.</exception>
    public void CopyTo(StepOutput output)
    {
        output.Count = DrawCount;
        if (output.Tokens.Length < DrawCount)
            (output.Tokens, output.Logprobs) = (new int[_maxDraws], new float[_maxDraws]);
        var tokens = MemoryMarshal.Cast<byte, int>(Outputs.Span)[..DrawCount];
        tokens.CopyTo(output.Tokens);
        MemoryMarshal.Cast<byte, float>(Outputs.Span).Slice(_maxDraws, DrawCount).CopyTo(output.Logprobs);
        if (tokens.Contains(-1))
            throw new DrawFaultException([.. tokens.ToArray().Index().Where(draw => draw.Item == -1).Select(draw => draw.Index)]);
    }

    public void Dispose()
    {
        _begun.Dispose();
        _done.Dispose();
        Inputs.Dispose();
        Outputs.Dispose();
    }
}
