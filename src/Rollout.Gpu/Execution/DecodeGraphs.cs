using Rollout.Gpu.Interop;

namespace Rollout.Gpu.Execution;

/// <summary>
/// Decode steps as CUDA graphs, one for each padded number of rows: some hundred kernels for the time of one launch.
/// What changes from step to step, the kernels read from the device's memory.
/// </summary>
/// <param name="stream">Where they are recorded and launched.</param>
/// <param name="record">Queues a decode step of so many rows.</param>
internal sealed class DecodeGraphs(CudaStream stream, Action<int> record) : IDisposable
{
    private readonly Dictionary<int, CudaGraph> _graphs = [];

    /// <summary>Launches the step of so many rows; the first time it is recorded, which takes some milliseconds.</summary>
    public void Launch(int rows)
    {
        Record(rows);
        _graphs[rows].Launch(stream);
    }

    /// <summary>Records the step of so many rows, unless that has been done.</summary>
    public void Record(int rows)
    {
        if (!_graphs.ContainsKey(rows))
            _graphs.Add(rows, CudaGraph.Capture(stream, () => record(rows)));
    }

    /// <summary>Forgets all graphs: the memory they name is about to go.</summary>
    public void Clear()
    {
        foreach (var graph in _graphs.Values)
            graph.Dispose();
        _graphs.Clear();
    }

    public void Dispose() => Clear();
}
