namespace Rollout.Actors.Data;

/// <summary>
/// Gives the turns 0, 1, 2, … to parts by weight, as evenly as whole turns allow. The first part takes its share of all
/// turns, the second its share of what that leaves, and so on: of n turns, a part with share s takes ⌊s n + φ⌋, where the
/// seed decides the phase φ. Whose turn it is, and how many turns a part had before, follow from the turn alone.
/// </summary>
internal sealed class WeightedTurns
{
    private const double TwoTo64 = 18446744073709551616.0;

    // Of every part but the last, in units of 2^-64: the share of the turns that earlier parts leave, and the phase.
    private readonly (ulong Share, ulong Phase)[] _splits;

    /// <param name="weights">One or more, each above 0.</param>
    /// <param name="seed">Decides where in the sequence each part begins.</param>
    public WeightedTurns(IReadOnlyList<double> weights, ulong seed)
    {
        _splits =
        [
            .. Enumerable.Range(0, weights.Count - 1).Select(part => (
                (ulong)(weights[part] / weights.Skip(part).Sum() * TwoTo64), SplitMix64.Mix(~seed, (ulong)part))),
        ];
    }

    /// <summary>The part whose turn it is, and the number of its turns before.</summary>
    public (int Part, long Before) At(long turn)
    {
        for (var part = 0; part < _splits.Length; part++)
        {
            var before = Taken(part, turn);
            if (Taken(part, turn + 1) > before)
                return (part, before);
            turn -= before;
        }
        return (_splits.Length, turn);
    }

    /// <summary>The number of turns that a part has before a turn.</summary>
    public long Before(int part, long turn)
    {
        for (var earlier = 0; earlier < part; earlier++)
            turn -= Taken(earlier, turn);
        return part < _splits.Length ? Taken(part, turn) : turn;
    }

    /// <summary>Of so many turns that the parts before leave, those of the part.</summary>
    private long Taken(int part, long turns) =>
        (long)((((UInt128)turns * _splits[part].Share) + _splits[part].Phase) >> 64);
}
