namespace Rollout.Gpu.Interop;

/// <summary>
/// What a constructor has created so far. Unless <see cref="Keep"/> was called, Dispose disposes of all of it, the
/// last first, so that a constructor that fails leaves nothing on the device.
/// </summary>
internal sealed class Owned : IDisposable
{
    private readonly Stack<IDisposable> _made = new();

    /// <summary>Adds what was created, and returns it.</summary>
    public T Add<T>(T made)
        where T : IDisposable
    {
        _made.Push(made);
        return made;
    }

    /// <summary>Ends the ownership: the constructor succeeded, and its object disposes of the rest.</summary>
    public void Keep() => _made.Clear();

    public void Dispose()
    {
        while (_made.TryPop(out var made))
            made.Dispose();
    }
}
