using System.Collections.Concurrent;

namespace Rollout.Host.Tracking;

/// <summary>
/// The one thread that draws a run's plots. The C library keeps the memory that a drawing needed for the thread that drew it:
/// on the threads of the pool, each of them would keep as much.
/// </summary>
internal sealed class DrawingThread : IDisposable
{
    private readonly BlockingCollection<Task> _waiting = [];

    public DrawingThread() => new Thread(() =>
    {
        foreach (var drawing in _waiting.GetConsumingEnumerable())
            drawing.RunSynchronously();
    })
    {
        IsBackground = true,
        Name = "plots",
    }.Start();

    /// <summary>Blocks until it is drawn, as drawing on the caller's own thread would. Throws what the drawing throws.</summary>
    public T Run<T>(Func<T> draw)
    {
        var drawing = new Task<T>(draw);
        _waiting.Add(drawing);
        return drawing.GetAwaiter().GetResult();
    }

    public void Dispose() => _waiting.CompleteAdding();
}
