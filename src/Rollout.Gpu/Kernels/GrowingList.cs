namespace Rollout.Gpu.Kernels;

/// <summary>A list whose memory is kept from step to step and whose entries are read as a span.</summary>
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

    /// <summary>This many entries, which hold whatever they held.</summary>
    public Span<T> Resize(int count)
    {
        if (_entries.Length < count)
            Array.Resize(ref _entries, Math.Max(count, 2 * _entries.Length));
        Count = count;
        return Span;
    }
}
