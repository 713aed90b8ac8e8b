namespace Rollout.Gpu.Kernels.Cpu;

/// <summary>
/// Spreads parts of work over the calling thread and a bounded number of pool threads. Workers take the next part when
/// they are free, so that parts need not be equal. A part's result must not depend on its thread.
/// </summary>
internal sealed class WorkerTeam
{
    private readonly ParallelOptions _options;

    public WorkerTeam(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        Threads = threads;
        _options = new ParallelOptions { MaxDegreeOfParallelism = threads };
    }

    /// <summary>The most workers, the caller included.</summary>
    public int Threads { get; }

    /// <summary>
    /// Calls the body once for every part, with the worker's number, which is below <see cref="Threads"/>.
    /// </summary>
    public void Run(int parts, Action<int, int> body)
    {
        var workers = Math.Min(Threads, parts);
        if (workers <= 1)
        {
            for (var part = 0; part < parts; part++)
                body(0, part);
            return;
        }

        var next = -1;
        Parallel.For(0, workers, _options, worker =>
        {
            int part;
            while ((part = Interlocked.Increment(ref next)) < parts)
                body(worker, part);
        });
    }
}
