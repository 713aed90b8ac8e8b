namespace Rollout.Gpu.Kernels;

/// <summary>A list that keeps its memory from step to step. Its entries are read as a span.</summary>
internal sealed class GrowingList<T>
{
    private T[] _entries = new T[64];

    public int Count { get; private set; }

    public Span<T> Span => _entries.AsSpan(0, Count);

    public void Clear() => Count = 0;

    public void Add(T entry)
    {
        if (Count == _entries.Length)
            Array.Resize(ref _entries, 2 * Count);
        _entries[Count++] = entry;
    }

    /// <summary>Sets the number of entries. New entries keep what their memory held.</summary>
    public Span<T> Resize(int count)
    {
        if (_entries.Length < count)
            Array.Resize(ref _entries, Math.Max(count, 2 * _entries.Length));
        Count = count;
        return Span;
    }
}
