namespace Rollout.Actors.Placement;

/// <summary>What <see cref="DecoderFleet.Register"/> made of a decoder's announcement.</summary>
/// <param name="Decoder">The decoder; null if it is gone or can't be used.</param>
/// <param name="Refusal">Why the decoder can't be used, as a sentence for it; null otherwise.</param>
/// <param name="Displaced">Decoders that it replaces: its earlier incarnation, or decoders of another model.</param>
public sealed record DecoderArrival(KnownDecoder? Decoder, string? Refusal, IReadOnlyList<KnownDecoder> Displaced)
{
    /// <summary>The decoder's incarnation or host is gone: its messages are ignored.</summary>
    public static DecoderArrival OfTheGone { get; } = new(null, null, []);
}
