namespace Rollout.Gpu.Interop;

/// <summary>
/// What a constructor has made so far. Disposed before <see cref="Keep"/>, it disposes all of it, the last first, so that
/// a constructor that fails leaves nothing on the device.
/// </summary>
internal sealed class Owned : IDisposable
{
    private readonly Stack<IDisposable> _made = new();

    /// <summary>Takes note of what was made, and returns it.</summary>
    public T Add<T>(T made)
        where T : IDisposable
    {
        _made.Push(made);
        return made;
    }

    /// <summary>The constructor is done: from here on its object disposes what it has.</summary>
    public void Keep() => _made.Clear();

    public void Dispose()
    {
        while (_made.TryPop(out var made))
            made.Dispose();
    }
}
