using System.Collections.Frozen;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Rollout.Actors.Settings;

/// <summary>Numbers with units, as the HOCON specification names them.</summary>
internal static partial class Units
{
    private static FrozenDictionary<string, double> TicksOf { get; } = Table(
        (1.0 / TimeSpan.NanosecondsPerTick, "ns nano nanos nanosecond nanoseconds"),
        (TimeSpan.TicksPerMicrosecond, "us micro micros microsecond microseconds"),
        (TimeSpan.TicksPerMillisecond, "ms milli millis millisecond milliseconds"),
        (TimeSpan.TicksPerSecond, "s second seconds"),
        (TimeSpan.TicksPerMinute, "m minute minutes"),
        (TimeSpan.TicksPerHour, "h hour hours"),
        (TimeSpan.TicksPerDay, "d day days"));

    private static FrozenDictionary<string, double> BytesOf { get; } = Table(
        (1, " B b byte bytes"),
        (1e3, "kB kilobyte kilobytes"),
        (1e6, "MB megabyte megabytes"),
        (1e9, "GB gigabyte gigabytes"),
        (1e12, "TB terabyte terabytes"),
        (1L << 10, "K k Ki KiB kibibyte kibibytes"),
        (1L << 20, "M m Mi MiB mebibyte mebibytes"),
        (1L << 30, "G g Gi GiB gibibyte gibibytes"),
        (1L << 40, "T t Ti TiB tebibyte tebibytes"));

    /// <summary>
    /// A duration. It needs a unit: a bare number would be milliseconds to some and seconds to others.
    /// </summary>
    public static TimeSpan? Duration(string text) => Scaled(text, TicksOf) switch
    {
        null => null,
        >= long.MaxValue => TimeSpan.MaxValue,
        <= long.MinValue => TimeSpan.MinValue,
        { } ticks => TimeSpan.FromTicks((long)Math.Round(ticks)),
    };

    /// <summary>
    /// Bytes; a bare number is a number of bytes. Beyond 2^53 a double skips whole numbers.
    /// </summary>
    public static long? Bytes(string text) =>
        Scaled(text, BytesOf) is { } bytes && Math.Abs(bytes) <= 1L << 53 ? (long)Math.Round(bytes) : null;

    /// <summary>A duration with the largest unit that leaves a whole number.</summary>
    public static string Show(TimeSpan duration) => duration.Ticks switch
    {
        var t when t % TimeSpan.TicksPerDay == 0 => $"{t / TimeSpan.TicksPerDay}d",
        var t when t % TimeSpan.TicksPerHour == 0 => $"{t / TimeSpan.TicksPerHour}h",
        var t when t % TimeSpan.TicksPerMinute == 0 => $"{t / TimeSpan.TicksPerMinute}m",
        var t when t % TimeSpan.TicksPerSecond == 0 => $"{t / TimeSpan.TicksPerSecond}s",
        var t => $"{t / TimeSpan.TicksPerMillisecond}ms",
    };

    /// <summary>A finite number in ordinary notation; null for any other text.</summary>
    public static double? Number(string text)
    {
        const NumberStyles Style =
            NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        var read = double.TryParse(text, Style, CultureInfo.InvariantCulture, out var number);
        return read && double.IsFinite(number) ? number : null;
    }

    private static double? Scaled(string text, FrozenDictionary<string, double> units)
    {
        var match = NumberAndUnit().Match(text);
        return match.Success && units.TryGetValue(match.Groups[2].Value, out var unit)
            ? Number(match.Groups[1].Value) * unit
            : null;
    }

    private static FrozenDictionary<string, double> Table(params (double Factor, string Names)[] rows) =>
        rows.SelectMany(row => row.Names.Split(' ').Select(name => (name, row.Factor)))
            .ToFrozenDictionary(row => row.name, row => row.Factor);

    [GeneratedRegex(@"\A\s*([-+0-9.eE]*[0-9.])\s*([A-Za-z]*)\s*\z")]
    private static partial Regex NumberAndUnit();
}
