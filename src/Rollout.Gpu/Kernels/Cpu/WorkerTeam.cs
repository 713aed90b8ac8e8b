namespace Rollout.Gpu.Kernels.Cpu;

/// <summary>
/// Spreads the parts of one piece of work over the calling thread and a bounded number of pool threads. Parts
/// are taken as they come, so they need not be equal; which thread computes a part must not matter to its
/// result.
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

    /// <summary>Workers at most, the caller included.</summary>
    public int Threads { get; }

    /// <summary>
    /// Calls the body once for every part, with a worker number below <see cref="Threads"/>.
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
