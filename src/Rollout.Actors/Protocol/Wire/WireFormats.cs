namespace Rollout.Actors.Protocol.Wire;

/// <summary>
/// The formats of all messages that cross hosts. A changed message gets a new version in its manifest. The members of a
/// cluster run one version of the program, and refuse the manifests of another.
/// </summary>
internal static class WireFormats
{
    public static IReadOnlyList<WireFormat> All { get; } =
        [.. ClientFormats.All, .. DecoderFormats.All, .. CommandFormats.All, .. BarrierFormats.All, .. DowningFormats.All];
}
