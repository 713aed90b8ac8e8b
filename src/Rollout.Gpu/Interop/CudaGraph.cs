namespace Rollout.Gpu.Interop;

/// <summary>
/// Work of a stream, recorded once and launched as a whole. All memory that it uses must stay allocated as long as
/// the graph.
/// </summary>
internal sealed class CudaGraph : IDisposable
{
    /// <summary>
    /// Held while a graph is recorded, and while a thread waits for a whole device. The driver refuses such a wait
    /// while a stream of the device records, and invalidates the graph.
    /// </summary>
    internal static readonly Lock Recording = new();

    // Other threads may allocate while this one records.
    private const int Relaxed = 2;

    private nint _executable;

    private CudaGraph(nint executable) => _executable = executable;

    /// <summary>Records what the action queues on the stream. None of it runs yet.</summary>
    /// <param name="stream">A stream other than the default one.</param>
    /// <param name="record">Queues the work. It may not wait for the device.</param>
    /// <exception cref="CudaException">The work can't be recorded.</exception>
    public static CudaGraph Capture(CudaStream stream, Action record)
    {
        var graph = Recorded(stream, record);
        try
        {
            CudaException.Check(
                CudaDriver.cuGraphInstantiateWithFlags(out var executable, graph, 0), "make a graph launchable");
            var made = new CudaGraph(executable);
            made.Upload(stream);
            return made;
        }
        finally
        {
            _ = CudaDriver.cuGraphDestroy(graph);
        }
    }

    /// <summary>Queues the recorded work on a stream.</summary>
    public void Launch(CudaStream stream) =>
        CudaException.Check(CudaDriver.cuGraphLaunch(_executable, stream.Handle), "launch a graph");

    public void Dispose()
    {
        if (_executable == 0)
            return;
        _ = CudaDriver.cuGraphExecDestroy(_executable);
        _executable = 0;
    }

    private static nint Recorded(CudaStream stream, Action record)
    {
        using var turn = Recording.EnterScope();
        CudaException.Check(CudaDriver.cuStreamBeginCapture(stream.Handle, Relaxed), "begin to record a graph");
        try
        {
            record();
        }
        catch
        {
            // The stream must stop recording. The action's error is the one to report.
            if (CudaDriver.cuStreamEndCapture(stream.Handle, out var partial) == 0 && partial != 0)
                _ = CudaDriver.cuGraphDestroy(partial);
            throw;
        }

        CudaException.Check(CudaDriver.cuStreamEndCapture(stream.Handle, out var graph), "record a graph");
        return graph;
    }

    // Takes the graph's device memory now, not at the first launch.
    private void Upload(CudaStream stream)
    {
        var result = CudaDriver.cuGraphUpload(_executable, stream.Handle);
        if (result != 0)
            Dispose();
        CudaException.Check(result, "put a graph on the device");
    }
}
