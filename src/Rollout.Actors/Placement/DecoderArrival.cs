namespace Rollout.Actors.Placement;

/// <summary>What came of a decoder's word that it is there.</summary>
/// <param name="Decoder">The decoder; null for one that is gone or can't be used.</param>
/// <param name="Refusal">Why it can't be used, for it to hear.</param>
/// <param name="Displaced">Those that are out because of it: its earlier incarnation, or decoders of another model.</param>
public sealed record DecoderArrival(DecoderLoad? Decoder, string? Refusal, IReadOnlyList<DecoderLoad> Displaced)
{
    /// <summary>It is known to be gone: nothing that it says counts.</summary>
    public static DecoderArrival OfTheGone { get; } = new(null, null, []);
}
