using ScottPlot;
using SkiaSharp;

namespace Rollout.Host.Tracking;

/// <summary>The font embedded in the program (a part of DejaVu Sans), for machines that have none.</summary>
internal sealed class PlotFont : IFontResolver
{
    public const string Name = "Rollout Sans";

    private static readonly Lazy<bool> Registered = new(() =>
    {
        Fonts.FontResolvers.Insert(0, new PlotFont());
        return true;
    });

    private PlotFont()
    {
    }

    public static void Register() => _ = Registered.Value;

    public SKTypeface? CreateTypeface(string fontName, FontWeight weight, FontSlant slant, FontSpacing spacing) =>
        fontName == Name ? Load() : null;

    public SKTypeface? CreateTypeface(string fontName, bool bold, bool italic) => fontName == Name ? Load() : null;

    private static SKTypeface? Load()
    {
        using var stream = typeof(PlotFont).Assembly.GetManifestResourceStream("RolloutSans.ttf");
        return SKTypeface.FromStream(stream);
    }
}
