using System.Runtime.InteropServices;
using Rollout.Gpu.Training;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Training;

/// <summary>A pass that fails in the ways of a device and of numbers, as a test wants.</summary>
internal sealed class FaultyPass(ICompletionPass inner) : ICompletionPass
{
    /// <summary>The most tokens of a micro-batch, padding included, that fit into memory.</summary>
    public int MemoryTokens { get; set; } = int.MaxValue;

    /// <summary>Backward passes that still succeed before memory is gone for all of them.</summary>
    public int GoodBackwards { get; set; } = int.MaxValue;

    /// <summary>A row that has this token makes its log-probabilities NaN.</summary>
    public int? NaNToken { get; set; }

    /// <summary>A row that has this token leaves an infinite gradient.</summary>
    public int? InfiniteGradientToken { get; set; }

    /// <summary>The weights whose gradient becomes infinite.</summary>
    public Tensor? Weight { get; set; }

    public Device Device => inner.Device;

    public Tensor Logprobs(MicroBatchInput input)
    {
        RequireMemory(input);
        using var scope = NewDisposeScope();
        using var broken = RowsWith(input, NaNToken);
        return inner.Logprobs(input).masked_fill(broken, double.NaN).MoveToOuterDisposeScope();
    }

    public void Backward(MicroBatchInput input, bool atOnce, LossGradient lossGradient)
    {
        using var broken = RowsWith(input, NaNToken).DetachFromDisposeScope();
        inner.Backward(input, atOnce, (logprobs, start) =>
            lossGradient(logprobs.masked_fill(broken.narrow(0, start, logprobs.size(0)), double.NaN), start));
        using var infinite = RowsWith(input, InfiniteGradientToken).any();
        if (infinite.item<bool>())
        {
            using var gradient = Weight!.grad!;
            gradient.fill_(double.PositiveInfinity);
        }

        // After the gradient was added, as where memory runs out in the middle of a backward pass.
        RequireMemory(input);
        if (GoodBackwards-- <= 0)
            throw new ExternalException("CUDA out of memory. Tried to allocate 2.00 GiB.");
    }

    private void RequireMemory(MicroBatchInput input)
    {
        if (input.RowCount * input.Width > MemoryTokens)
            throw new ExternalException("CUDA out of memory. Tried to allocate 2.00 GiB.");
    }

    /// <summary>[targets] bool: of a row that has the token among its targets.</summary>
    private static Tensor RowsWith(MicroBatchInput input, int? token)
    {
        using var scope = NewDisposeScope();
        var rows = input.Rows[input.Targets.eq(token ?? -1)]; // [found]
        return input.Rows.unsqueeze(1).eq(rows.unsqueeze(0)).any(1).MoveToOuterDisposeScope();
    }
}
