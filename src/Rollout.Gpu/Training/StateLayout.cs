namespace Rollout.Gpu.Training;

/// <summary>Numbers of one parameter that lie in one chunk.</summary>
/// <param name="Parameter">The parameter's index.</param>
/// <param name="Start">The first of them in the parameter.</param>
/// <param name="Count">How many.</param>
/// <param name="Offset">Where they begin in the chunk.</param>
internal readonly record struct StateSpan(int Parameter, long Start, long Count, long Offset);

/// <summary>The numbers of all parameters in one row, which is divided into chunks of one size.</summary>
internal sealed class StateLayout
{
    // Numbers of one access of the update's kernel: every span begins at a multiple.
    private const int Alignment = 4;

    private readonly long[] _offsets;
    private readonly List<StateSpan>[] _chunks;

    /// <param name="counts">The numbers of each parameter.</param>
    /// <param name="chunkNumbers">The numbers of a chunk; the last one may have fewer.</param>
    public StateLayout(IReadOnlyList<long> counts, long chunkNumbers)
    {
        ChunkNumbers = Aligned(chunkNumbers);
        _offsets = new long[counts.Count];
        for (var i = 0; i < counts.Count; i++)
            (_offsets[i], Numbers) = (Numbers, Numbers + Aligned(counts[i]));
        _chunks = [.. Enumerable.Range(0, (int)((Numbers + ChunkNumbers - 1) / ChunkNumbers)).Select(_ => new List<StateSpan>())];
        for (var i = 0; i < counts.Count; i++)
            Divide(i, counts[i]);
    }

    /// <summary>The length of the row.</summary>
    public long Numbers { get; }

    /// <summary>The length of a chunk.</summary>
    public long ChunkNumbers { get; }

    public int ChunkCount => _chunks.Length;

    /// <summary>Where a parameter begins in the row.</summary>
    public long OffsetOf(int parameter) => _offsets[parameter];

    /// <summary>The parts of parameters in a chunk, in order.</summary>
    public IReadOnlyList<StateSpan> SpansOf(int chunk) => _chunks[chunk];

    /// <summary>The chunk's length.</summary>
    public long SizeOf(int chunk) => Math.Min(ChunkNumbers, Numbers - (chunk * ChunkNumbers));

    private static long Aligned(long numbers) => (numbers + Alignment - 1) / Alignment * Alignment;

    private void Divide(int parameter, long count)
    {
        for (var start = 0L; start < count;)
        {
            var (chunk, offset) = Math.DivRem(_offsets[parameter] + start, ChunkNumbers);
            var part = Math.Min(count - start, ChunkNumbers - offset);
            _chunks[chunk].Add(new StateSpan(parameter, start, part, offset));
            start += part;
        }
    }
}
