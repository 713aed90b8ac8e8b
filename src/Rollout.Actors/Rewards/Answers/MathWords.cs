namespace Rollout.Actors.Rewards.Answers;

/// <summary>The words of answers: functions, constants and units.</summary>
internal static class MathWords
{
    public static readonly HashSet<string> Functions = new(StringComparer.Ordinal)
    {
        "sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "ln", "log", "exp",
        "sqrt",
    };

    public static readonly HashSet<string> Constants = new(StringComparer.Ordinal) { "pi", "infinity", "inf", "infty" };

    /// <summary>Words between the parts of a list.</summary>
    public static readonly HashSet<string> Separators = new(StringComparer.OrdinalIgnoreCase) { "and", "or" };

    /// <summary>Words before a number that leave it as it is.</summary>
    public static readonly HashSet<string> Hedges = new(StringComparer.OrdinalIgnoreCase)
        { "about", "approximately", "approx", "exactly", "roughly" };

    private static readonly HashSet<string> ShortUnits = new(StringComparer.Ordinal)
        { "cm", "mm", "km", "kg", "mg", "ft", "in", "yd", "mi", "lb", "oz", "ml", "mL", "hr", "Hz", "or" };

    private static readonly Dictionary<string, string> Synonyms = new(StringComparer.Ordinal)
    {
        ["centimeter"] = "cm",
        ["centimetre"] = "cm",
        ["millimeter"] = "mm",
        ["millimetre"] = "mm",
        ["kilometer"] = "km",
        ["kilometre"] = "km",
        ["meter"] = "m",
        ["metre"] = "m",
        ["gram"] = "g",
        ["kilogram"] = "kg",
        ["inch"] = "in",
        ["inche"] = "in",
        ["foot"] = "ft",
        ["feet"] = "ft",
        ["yard"] = "yd",
        ["mile"] = "mi",
        ["pound"] = "lb",
        ["ounce"] = "oz",
        ["liter"] = "l",
        ["litre"] = "l",
        ["milliliter"] = "ml",
        ["second"] = "s",
        ["sec"] = "s",
        ["minute"] = "min",
        ["hour"] = "h",
        ["hr"] = "h",
        ["degree"] = "°",
        ["deg"] = "°",
        ["percent"] = "%",
        ["usd"] = "dollar",
        ["buck"] = "dollar",
        ["unit"] = "",
        ["square"] = "sq",
        ["squared"] = "sq",
    };

    public static bool IsShortUnit(string word) => ShortUnits.Contains(word);

    /// <summary>10^n of a word such as million; null for others.</summary>
    public static int? PowerOfTen(string word) => word.ToLowerInvariant() switch
    {
        "hundred" => 2,
        "thousand" => 3,
        "million" => 6,
        "billion" => 9,
        "trillion" => 12,
        _ => null,
    };

    /// <summary>A unit's word in one spelling: singular, lower case, abbreviated.</summary>
    public static string Unit(string word)
    {
        var lower = word.ToLowerInvariant();
        if (lower.Length > 2 && lower[^1] == 's' && lower[^2] != 's')
            lower = lower[..^1];
        return Synonyms.GetValueOrDefault(lower, lower);
    }
}
