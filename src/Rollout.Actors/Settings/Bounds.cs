using System.Globalization;

namespace Rollout.Actors.Settings;

/// <summary>The range of a number in the configuration, and its words in a message.</summary>
public readonly record struct Bounds
{
    private readonly double _low;
    private readonly double _high;
    private readonly bool _lowOpen;
    private readonly bool _highOpen;

    private Bounds(double low, double high, bool lowOpen = false, bool highOpen = false)
    {
        _low = low;
        _high = high;
        _lowOpen = lowOpen;
        _highOpen = highOpen;
    }

    public static Bounds Any => new(double.NegativeInfinity, double.PositiveInfinity);

    public static Bounds AtLeast(double low) => new(low, double.PositiveInfinity);

    public static Bounds Above(double low) => new(low, double.PositiveInfinity, lowOpen: true);

    /// <summary>Both ends are included.</summary>
    public static Bounds Between(double low, double high) => new(low, high);

    /// <summary>Only the high end is included.</summary>
    public static Bounds AboveUpTo(double low, double high) => new(low, high, lowOpen: true);

    /// <summary>Only the low end is included.</summary>
    public static Bounds FromBelow(double low, double high) => new(low, high, highOpen: true);

    public bool Contain(double number) =>
        (_lowOpen ? number > _low : number >= _low) && (_highOpen ? number < _high : number <= _high);

    /// <summary>"of at least 1", "from 0 to 1", …</summary>
    public override string ToString() => (_lowOpen, _highOpen) switch
    {
        _ when double.IsInfinity(_low) => "of any size",
        (true, _) when double.IsInfinity(_high) => $"above {Show(_low)}",
        (false, _) when double.IsInfinity(_high) => $"of at least {Show(_low)}",
        (true, _) => $"above {Show(_low)} and at most {Show(_high)}",
        (_, true) => $"of at least {Show(_low)} and below {Show(_high)}",
        _ => $"from {Show(_low)} to {Show(_high)}",
    };

    private static string Show(double number) =>
        number.ToString("0.################", CultureInfo.InvariantCulture);
}
