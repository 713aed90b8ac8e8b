using Rollout.Gpu.Interop;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// Device memory of one micro-batch, given back as a whole at its end. It comes from libtorch's allocator in large pieces, so that
/// the next micro-batch finds it there, and a decoder that wakes gets it back. It is not cleared.
/// </summary>
internal sealed class TrainingArena(Device device) : IDisposable
{
    private const long PieceBytes = 32L << 20;
    private const long Alignment = 256;

    private readonly List<Tensor> _shared = [];
    private readonly Dictionary<nint, Tensor> _own = []; // of one reservation each
    private nint _free;
    private long _left;

    /// <summary>The address of that many bytes, 256-byte aligned.</summary>
    public nint Reserve(long bytes)
    {
        var needed = (Math.Max(bytes, 1) + Alignment - 1) / Alignment * Alignment;
        if (needed > PieceBytes / 4)
        {
            // Its own, so that no piece is left half empty for it.
            var own = Piece(needed);
            _own.Add(TorchTensors.Pointer(own), own);
            return TorchTensors.Pointer(own);
        }

        if (needed > _left)
        {
            _shared.Add(Piece(PieceBytes));
            (_free, _left) = (TorchTensors.Pointer(_shared[^1]), PieceBytes);
        }

        var reserved = _free;
        (_free, _left) = (_free + (nint)needed, _left - needed);
        return reserved;
    }

    /// <summary>Gives large memory back early; small memory stays to the end.</summary>
    public void Free(nint reserved)
    {
        if (_own.Remove(reserved, out var piece))
            piece.Dispose();
    }

    public void Dispose()
    {
        foreach (var piece in _shared.Concat(_own.Values))
            piece.Dispose();
        _shared.Clear();
        _own.Clear();
    }

    private Tensor Piece(long bytes) => empty(bytes, ScalarType.Byte, device).DetachFromDisposeScope();
}

/// <summary>Equal buffers for values that live for a few operations.</summary>
internal sealed class TrainingBuffers(TrainingArena arena, long bytes)
{
    private readonly Stack<nint> _free = new();

    public nint Take() => _free.TryPop(out var buffer) ? buffer : arena.Reserve(bytes);

    public void Give(nint buffer) => _free.Push(buffer);

    /// <summary>Gives the memory of buffers that nobody has back.</summary>
    public void Trim()
    {
        while (_free.TryPop(out var buffer))
            arena.Free(buffer);
    }
}

/// <summary>Memory for the same reservations in the same order, time and again.</summary>
internal sealed class RepeatedMemory(TrainingArena arena)
{
    private readonly List<(nint Pointer, long Bytes)> _reserved = [];
    private int _next;

    /// <summary>Begins from the first reservation; what was there is lost.</summary>
    public void Restart() => _next = 0;

    /// <summary>The address of that many bytes.</summary>
    public nint Reserve(long bytes)
    {
        if (_next == _reserved.Count)
            _reserved.Add((arena.Reserve(bytes), bytes));
        var (pointer, size) = _reserved[_next++];
        return size == bytes
            ? pointer
            : throw new InvalidOperationException($"{bytes} bytes are reserved where {size} were before.");
    }
}
