namespace Rollout.Actors.Placement;

/// <summary>
/// Which decoder takes the next group. A group stays whole, so that its samples share the prompt's blocks; it goes
/// where the fewest sequences wait for each place, and nowhere while all have enough ahead of them.
/// </summary>
/// <param name="lookaheadSeqs">Sequences a decoder may have beyond those it can run.</param>
public sealed class PlacementPolicy(int lookaheadSeqs)
{
    /// <summary>The decoder to take a group of so many sequences, if one has room. An idle decoder has room for any group.</summary>
    public bool TryChoose(IEnumerable<DecoderLoad> decoders, int sequences, out DecoderLoad chosen)
    {
        chosen = decoders
            .Where(decoder => decoder.AssignedSeqs == 0
                || decoder.AssignedSeqs + sequences <= decoder.MaxNumSeqs + lookaheadSeqs)
            .MinBy(decoder => (double)decoder.AssignedSeqs / decoder.MaxNumSeqs)!;
        return chosen is not null;
    }
}
