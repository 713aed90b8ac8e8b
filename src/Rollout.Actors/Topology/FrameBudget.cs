using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Topology;

/// <summary>
/// Bounds the bytes of frames that have begun to arrive and not ended, on all connections together. Where they are too many,
/// the connection whose frame began first is closed: a member's frame ends within moments. Safe from any thread.
/// </summary>
/// <param name="most">The most bytes.</param>
/// <param name="time">The clock of the warnings.</param>
/// <param name="warn">Told, once a minute at most, how many connections were closed so far.</param>
internal sealed class FrameBudget(long most, TimeProvider time, Action<long> warn)
{
    private readonly Lock _gate = new();
    private readonly LinkedList<Reader> _unfinished = [];   // whose frame began first is first
    private readonly RareCount _closed = new(time);
    private long _held;

    /// <summary>Notes that bytes have come. False where the connection is closed: nobody needs them.</summary>
    public bool TryAdd(Reader reader, int bytes)
    {
        var closed = new List<Reader>();
        var isWarningDue = false;
        lock (_gate)
        {
            if (reader.IsClosed)
                return false;
            Set(reader, reader.Bytes + bytes);
            while (_held > most)
            {
                var first = _unfinished.First!.Value;
                first.IsClosed = true;
                Set(first, 0);
                isWarningDue |= _closed.Add();
                closed.Add(first);
            }
        }
        if (isWarningDue)
            warn(_closed.Total);
        closed.ForEach(first => first.Close());
        return !reader.IsClosed;
    }

    /// <summary>Notes that a frame of so many bytes has come whole: what else there is belongs to a later one.</summary>
    public void Finish(Reader reader, int bytes)
    {
        lock (_gate)
        {
            var left = Math.Max(reader.Bytes - bytes, 0);
            Set(reader, 0);
            Set(reader, left);
        }
    }

    /// <summary>The connection has ended.</summary>
    public void Leave(Reader reader)
    {
        lock (_gate)
        {
            reader.IsClosed = true;
            Set(reader, 0);
        }
    }

    private void Set(Reader reader, long bytes)
    {
        _held += bytes - reader.Bytes;
        reader.Bytes = bytes;
        if (bytes == 0 && reader.Place.List is not null)
            _unfinished.Remove(reader.Place);
        else if (bytes > 0 && reader.Place.List is null)
            _unfinished.AddLast(reader.Place);
    }

    /// <summary>The receiving end of one connection.</summary>
    public sealed class Reader
    {
        private readonly Action _close;

        /// <param name="close">Closes the connection.</param>
        public Reader(Action close)
        {
            _close = close;
            Place = new LinkedListNode<Reader>(this);
        }

        /// <summary>Its node in the list of unfinished frames.</summary>
        internal LinkedListNode<Reader> Place { get; }

        /// <summary>Bytes that have come of a frame that has not ended.</summary>
        internal long Bytes { get; set; }

        internal bool IsClosed { get; set; }

        internal void Close() => _close();
    }
}
