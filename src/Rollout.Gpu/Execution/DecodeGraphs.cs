using Rollout.Gpu.Interop;

namespace Rollout.Gpu.Execution;

/// <summary>
/// Decode steps as CUDA graphs, one for each padded number of rows, which launch hundreds of kernels at the cost of
/// one. The kernels read what changes from step to step from the device's memory, whose addresses never change.
/// </summary>
/// <param name="stream">The stream that records and runs the graphs.</param>
internal sealed class DecodeGraphs(CudaStream stream) : IDisposable
{
    private readonly Dictionary<int, CudaGraph> _graphs = [];

    /// <summary>The number of recorded sizes.</summary>
    public int Count => _graphs.Count;

    /// <summary>Records the decode step of so many rows. Takes milliseconds and a little device memory.</summary>
    /// <param name="rows">A size that is not recorded yet.</param>
    /// <param name="queue">Queues that step.</param>
    /// <exception cref="CudaException">The step can't be recorded.</exception>
    public void Record(int rows, Action queue) => _graphs.Add(rows, CudaGraph.Capture(stream, queue));

    /// <summary>Launches the decode step of so many rows.</summary>
    public void Launch(int rows) => _graphs[rows].Launch(stream);

    public void Dispose()
    {
        foreach (var graph in _graphs.Values)
            graph.Dispose();
        _graphs.Clear();
    }
}
