using Rollout.Gpu.Interop;

namespace Rollout.Gpu.Execution;

/// <summary>
/// Decode steps as CUDA graphs, one for each padded number of rows: some hundred kernels for the time of one launch.
/// What changes from step to step, the kernels read from the device's memory, whose addresses never change.
/// </summary>
/// <param name="stream">Where they are recorded and launched.</param>
internal sealed class DecodeGraphs(CudaStream stream) : IDisposable
{
    private readonly Dictionary<int, CudaGraph> _graphs = [];

    /// <summary>Sizes that are recorded.</summary>
    public int Count => _graphs.Count;

    /// <summary>Records the step of so many rows: some milliseconds, and a little of the device's memory.</summary>
    /// <param name="rows">Not recorded yet.</param>
    /// <param name="queue">Queues that step.</param>
    /// <exception cref="CudaException">Something in it cannot be recorded.</exception>
    public void Record(int rows, Action queue) => _graphs.Add(rows, CudaGraph.Capture(stream, queue));

    /// <summary>Launches the step of so many rows.</summary>
    public void Launch(int rows) => _graphs[rows].Launch(stream);

    public void Dispose()
    {
        foreach (var graph in _graphs.Values)
            graph.Dispose();
        _graphs.Clear();
    }
}
