using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// Notes which targets are the most probable tokens of their places. Notes stay on the device until <see cref="Take"/>.
/// </summary>
internal sealed class GreedyHits : IDisposable
{
    private readonly List<Tensor> _hits = []; // [rows] bool of each chunk of targets

    /// <param name="logits">[rows, vocab], over any temperature.</param>
    /// <param name="targets">[rows] int64.</param>
    public void Add(Tensor logits, Tensor targets)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        _hits.Add(logits.argmax(-1).eq(targets).DetachFromDisposeScope());
    }

    /// <summary>[targets] those since the call before, in the order of passes and targets. Waits for the device.</summary>
    public bool[] Take()
    {
        using var scope = NewDisposeScope();
        bool[] hits = _hits.Count == 0 ? [] : cat(_hits).cpu().data<bool>().ToArray();
        Dispose();
        return hits;
    }

    public void Dispose()
    {
        _hits.ForEach(chunk => chunk.Dispose());
        _hits.Clear();
    }
}
