namespace Rollout.Actors.Tests.Blocks;

/// <summary>
/// Turns random bytes into decisions, so that a history that fails can be shrunk to a short one.
/// </summary>
internal sealed class ChoiceTape(byte[] bytes)
{
    private int _position;

    public bool Ended => _position >= bytes.Length;

    /// <summary>0 … exclusive − 1; 0 when the tape has ended.</summary>
    public int Next(int exclusive) => Ended ? 0 : bytes[_position++] % exclusive;

    public bool Chance(int percent) => !Ended && Next(100) >= 100 - percent;
}
