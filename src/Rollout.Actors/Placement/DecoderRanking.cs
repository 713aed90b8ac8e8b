namespace Rollout.Actors.Placement;

/// <summary>Orders decoders by how full they are and by how much waits there, and is updated with each change.</summary>
public sealed class DecoderRanking
{
    private readonly SortedSet<KnownDecoder> _byFill = new(Comparer<KnownDecoder>.Create(
        (one, other) => (one.RankedFill, one.Arrival).CompareTo((other.RankedFill, other.Arrival))));

    private readonly SortedSet<KnownDecoder> _byWaiting = new(Comparer<KnownDecoder>.Create(
        (one, other) => (other.RankedWaiting, one.Arrival).CompareTo((one.RankedWaiting, other.Arrival))));

    /// <summary>The decoders that take work, the emptiest first.</summary>
    public IEnumerable<KnownDecoder> EmptiestFirst => _byFill;

    /// <summary>The decoders where sequences wait for blocks, the most first.</summary>
    public IEnumerable<KnownDecoder> MostWaitingFirst => _byWaiting;

    /// <summary>Ranks a decoder that may have changed. One that takes no work is not ranked.</summary>
    public void Update(KnownDecoder decoder)
    {
        var (fill, waiting, takesWork) = (decoder.Fill, decoder.Load.Waiting, decoder.TakesWork);
        if (decoder.IsRanked == takesWork && decoder.RankedFill == fill && decoder.RankedWaiting == waiting)
            return;
        _byFill.Remove(decoder);
        _byWaiting.Remove(decoder);
        (decoder.IsRanked, decoder.RankedFill, decoder.RankedWaiting) = (takesWork, fill, waiting);
        if (!takesWork)
            return;
        _byFill.Add(decoder);
        if (waiting > 0)
            _byWaiting.Add(decoder);
    }
}
