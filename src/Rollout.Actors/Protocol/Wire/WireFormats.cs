namespace Rollout.Actors.Protocol.Wire;

/// <summary>The format of every message that crosses hosts.</summary>
internal static class WireFormats
{
    public static IReadOnlyList<WireFormat> All { get; } = [];
}
