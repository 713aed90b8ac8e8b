using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>Where moments and master copies of all parameters are.</summary>
internal interface IAdamWState : IDisposable
{
    /// <summary>Chunks that are updated one after another.</summary>
    int ChunkCount { get; }

    /// <summary>[as the parameter] the first moment. Call <see cref="Settle"/> before its numbers are used.</summary>
    Tensor Mean(int parameter);

    /// <summary>[as the parameter] the second moment, likewise.</summary>
    Tensor Square(int parameter);

    /// <summary>[as the parameter] the weight in float32, likewise; of a wide parameter the parameter itself.</summary>
    Tensor Master(int parameter);

    /// <summary>What an update of a chunk changes, on the weights' device.</summary>
    /// <param name="chunk">The chunk.</param>
    /// <param name="gradient">[as the parameter] the sum of a parameter's gradients; null leaves the parameter as it is.</param>
    /// <returns>Parts with their parameters, owned by the current dispose scope.</returns>
    IEnumerable<(int Parameter, AdamWPart Part)> PartsOf(int chunk, Func<int, Tensor?> gradient);

    /// <summary>Updates all chunks in order; the parts are there while their chunk is updated.</summary>
    void ForEachChunk(Action<int> update);

    /// <summary>Waits until nothing uses the state. Numbers that the caller changes then count in the next update.</summary>
    void Settle();
}
