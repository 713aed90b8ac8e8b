namespace Rollout.Actors.Placement;

/// <summary>Decoders by how full they are, and by how much waits there; kept up to date change by change.</summary>
public sealed class DecoderRanking
{
    private readonly SortedSet<DecoderLoad> _byFill = new(Comparer<DecoderLoad>.Create(
        (one, other) => (one.RankedFill, one.Order).CompareTo((other.RankedFill, other.Order))));

    private readonly SortedSet<DecoderLoad> _byWaiting = new(Comparer<DecoderLoad>.Create(
        (one, other) => (other.RankedWaiting, one.Order).CompareTo((one.RankedWaiting, other.Order))));

    /// <summary>Those that take work, the emptiest first.</summary>
    public IEnumerable<DecoderLoad> EmptiestFirst => _byFill;

    /// <summary>Those of them where sequences wait for blocks, the most first.</summary>
    public IEnumerable<DecoderLoad> MostWaitingFirst => _byWaiting;

    /// <summary>Something of this decoder has changed: it is ranked anew, or not at all where it takes no work.</summary>
    public void Update(DecoderLoad decoder)
    {
        _byFill.Remove(decoder);
        _byWaiting.Remove(decoder);
        decoder.RankedFill = decoder.Fill;
        decoder.RankedWaiting = decoder.Load.Waiting;
        if (!decoder.TakesWork)
            return;
        _byFill.Add(decoder);
        if (decoder.RankedWaiting > 0)
            _byWaiting.Add(decoder);
    }
}
