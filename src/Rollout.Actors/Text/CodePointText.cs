using System.Globalization;
using System.Text;

namespace Rollout.Actors.Text;

/// <summary>
/// A text with one UTF-16 unit per code point, for regular expressions. .NET matches UTF-16 units, where a letter
/// beyond U+FFFF is two surrogates, while Hugging Face's patterns match code points. Each such character is
/// replaced by one of the same general category, from a script that no known pattern names.
/// </summary>
internal readonly struct CodePointText
{
    private readonly string _text;
    private readonly int[]? _starts;   // [code points + 1] the start of each in _text; null if all are one unit

    private CodePointText(string text, string oneUnitPerPoint, int[]? starts)
    {
        _text = text;
        OneUnitPerPoint = oneUnitPerPoint;
        _starts = starts;
    }

    /// <summary>The text to match patterns against.</summary>
    public string OneUnitPerPoint { get; }

    public static CodePointText Of(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF'))
            return new CodePointText(text, text, null);

        var units = new StringBuilder(text.Length);
        var starts = new List<int>(text.Length + 1);
        var start = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            units.Append(rune.IsBmp ? (char)rune.Value : StandIn(Rune.GetUnicodeCategory(rune)));
            starts.Add(start);
            start += rune.Utf16SequenceLength;
        }
        starts.Add(start);
        return new CodePointText(text, units.ToString(), [.. starts]);
    }

    /// <summary>
    /// The original text from code point <paramref name="start"/> up to <paramref name="end"/>, which is excluded.
    /// </summary>
    public string Slice(int start, int end) =>
        _starts is null ? _text[start..end] : _text[_starts[start].._starts[end]];

    internal static char StandIn(UnicodeCategory category) => category switch
    {
        UnicodeCategory.UppercaseLetter => '\u2C00',
        UnicodeCategory.LowercaseLetter => '\u2C30',
        UnicodeCategory.TitlecaseLetter => '\u1F88',
        UnicodeCategory.ModifierLetter => '\uA015',
        UnicodeCategory.OtherLetter => '\uA000',
        UnicodeCategory.NonSpacingMark => '\uA802',
        UnicodeCategory.SpacingCombiningMark => '\uA823',
        UnicodeCategory.EnclosingMark => '\uA670',
        UnicodeCategory.DecimalDigitNumber => '\uA8D0',
        UnicodeCategory.LetterNumber => '\uA6E6',
        UnicodeCategory.OtherNumber => '\uA830',
        UnicodeCategory.ConnectorPunctuation => '\u203F',
        UnicodeCategory.DashPunctuation => '\u1400',
        UnicodeCategory.OpenPunctuation => '\u2045',
        UnicodeCategory.ClosePunctuation => '\u2046',
        UnicodeCategory.InitialQuotePunctuation => '\u2E02',
        UnicodeCategory.FinalQuotePunctuation => '\u2E03',
        UnicodeCategory.OtherPunctuation => '\uA60D',
        UnicodeCategory.MathSymbol => '\u2A00',
        UnicodeCategory.CurrencySymbol => '\uA838',
        UnicodeCategory.ModifierSymbol => '\uA700',
        UnicodeCategory.OtherSymbol => '\uA490',
        UnicodeCategory.Format => '\u2060',
        UnicodeCategory.PrivateUse => '\uE000',
        UnicodeCategory.OtherNotAssigned => '\uFFFF',
        var other => throw new InvalidOperationException(
            $"no character beyond U+FFFF has the category {other}"),
    };
}
