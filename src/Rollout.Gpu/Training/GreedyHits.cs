using Rollout.Gpu.Interop;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>Counts the targets that are the most probable token of their place. The count stays on the device.</summary>
/// <param name="device">Where the logits are.</param>
internal sealed class GreedyHits(Device device) : IDisposable
{
    private readonly Tensor _count = zeros(1, ScalarType.Int64, device).DetachFromDisposeScope();

    /// <param name="logits">[rows, vocab], over any temperature.</param>
    /// <param name="targets">[rows] int64.</param>
    public void Add(Tensor logits, Tensor targets)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        _count.add_(logits.argmax(-1).eq(targets).sum(), Scalars.One);
    }

    /// <summary>The targets counted since the call before. Waits for the device.</summary>
    public long Take()
    {
        using var scope = NewDisposeScope();
        var count = _count.cpu().item<long>();
        _count.zero_();
        return count;
    }

    public void Dispose() => _count.Dispose();
}
