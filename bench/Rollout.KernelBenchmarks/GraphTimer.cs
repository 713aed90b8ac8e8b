using Rollout.Gpu.Interop;

namespace Rollout.KernelBenchmarks;

/// <summary>The device's own time of something, launched from a graph so that the host's time does not count.</summary>
internal sealed class GraphTimer(CudaStream stream) : IDisposable
{
    private const int Launches = 7;

    private readonly CudaEvent _start = new();
    private readonly CudaEvent _end = new();

    /// <summary>Microseconds of one run: the median over launches of a graph of many runs.</summary>
    /// <param name="repeats">Runs in the graph.</param>
    /// <param name="run">Gives its work to the stream; told the number of the run.</param>
    public double Microseconds(int repeats, Action<int> run)
    {
        run(0);
        stream.Synchronize();
        using var graph = CudaGraph.Capture(stream, () =>
        {
            for (var i = 0; i < repeats; i++)
                run(i);
        });
        graph.Launch(stream);
        var times = new double[Launches];
        foreach (ref var time in times.AsSpan())
        {
            _start.Record(stream);
            graph.Launch(stream);
            _end.Record(stream);
            _end.Synchronize();
            time = _end.MillisecondsSince(_start) * 1000.0 / repeats;
        }

        Array.Sort(times);
        return times[Launches / 2];
    }

    public void Dispose()
    {
        _start.Dispose();
        _end.Dispose();
    }
}
