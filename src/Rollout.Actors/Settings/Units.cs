using System.Globalization;

namespace Rollout.Actors.Settings;

/// <summary>
/// Reads numbers, and numbers with a unit. Anything else is null, and the caller says what is expected.
/// </summary>
internal static class Units
{
    private static readonly Dictionary<string, double> TicksOf = new()
    {
        ["ms"] = TimeSpan.TicksPerMillisecond,
        ["s"] = TimeSpan.TicksPerSecond,
        ["m"] = TimeSpan.TicksPerMinute,
        ["h"] = TimeSpan.TicksPerHour,
        ["d"] = TimeSpan.TicksPerDay,
    };

    private static readonly Dictionary<string, double> BytesOf = new()
    {
        ["B"] = 1,
        ["kB"] = 1e3,
        ["MB"] = 1e6,
        ["GB"] = 1e9,
        ["TB"] = 1e12,
        ["KiB"] = 1L << 10,
        ["MiB"] = 1L << 20,
        ["GiB"] = 1L << 30,
        ["TiB"] = 1L << 40,
    };

    /// <summary>
    /// A duration. A bare number has no meaning: it would be milliseconds to some and seconds to others.
    /// </summary>
    public static TimeSpan? Duration(string text) => Scaled(text, TicksOf) switch
    {
        null => null,
        >= long.MaxValue => TimeSpan.MaxValue,
        <= long.MinValue => TimeSpan.MinValue,
        { } ticks => TimeSpan.FromTicks((long)Math.Round(ticks)),
    };

    /// <summary>A size in bytes. A bare number has no meaning; beyond 2^53 a double skips whole numbers.</summary>
    public static long? Bytes(string text) =>
        Scaled(text, BytesOf) is { } bytes && Math.Abs(bytes) <= 1L << 53 ? (long)Math.Round(bytes) : null;

    /// <summary>A finite number in ordinary notation.</summary>
    public static double? Number(string text)
    {
        const NumberStyles Style =
            NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        var read = double.TryParse(text, Style, CultureInfo.InvariantCulture, out var number);
        return read && double.IsFinite(number) ? number : null;
    }

    private static double? Scaled(string text, Dictionary<string, double> units)
    {
        var end = text.AsSpan().LastIndexOfAnyInRange('0', '9') + 1;
        return units.TryGetValue(text[end..].Trim(), out var unit) ? Number(text[..end]) * unit : null;
    }
}
