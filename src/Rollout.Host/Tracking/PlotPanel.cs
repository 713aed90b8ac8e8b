using ScottPlot;
using ScottPlot.TickGenerators;

namespace Rollout.Host.Tracking;

/// <summary>A curve of a panel.</summary>
internal sealed record PlotCurve(string Label, Metric Metric);

/// <summary>A shaded area of a panel between two metrics.</summary>
internal sealed record PlotBand(string Label, Metric Low, Metric High);

/// <summary>What one panel of the page shows.</summary>
/// <param name="Title">Stands above it.</param>
/// <param name="Unit">The unit of its y axis.</param>
internal sealed record PlotPanel(string Title, string Unit)
{
    private static readonly Color[] Colors =
    [
        Color.FromHex("#1f77b4"), Color.FromHex("#d95f02"), Color.FromHex("#7f8c8d"), Color.FromHex("#2ca02c"),
        Color.FromHex("#9467bd"), Color.FromHex("#8c564b"),
    ];

    public required PlotCurve[] Curves { get; init; }

    public PlotBand? Band { get; init; }

    /// <summary>The y axis starts at 0.</summary>
    public bool FromZero { get; init; }

    /// <summary>The y axis counts powers of ten; values of 0 or less are left out.</summary>
    public bool Logarithmic { get; init; }

    /// <summary>The curves are parts of a sum, one on top of the other.</summary>
    public bool Stacked { get; init; }

    /// <summary>Each value has a mark: few steps have one.</summary>
    public bool WithMarkers { get; init; }

    private bool HasLegend => Curves.Length > 1 || Band is not null;

    /// <summary>Draws the panel on an empty plot.</summary>
    public void DrawOn(Plot plot, IReadOnlyList<StepMetrics> steps)
    {
        var heights = new List<double>();
        if (Band is not null)
            heights.AddRange(AddBand(plot, steps, Band));
        StepMetrics[] complete = Stacked ? [.. steps.Where(step => Curves.All(curve => IsDrawable(step[curve.Metric])))] : [];
        for (var i = 0; i < Curves.Length; i++)
            heights.AddRange(Stacked ? AddPart(plot, complete, i) : AddCurve(plot, steps, i));
        Label(plot);
        Scale(plot, heights, steps);
    }

    private static double[] AddBand(Plot plot, IReadOnlyList<StepMetrics> steps, PlotBand band)
    {
        StepMetrics[] shown = [.. steps.Where(step => IsDrawable(step[band.Low]) && IsDrawable(step[band.High]))];
        double[] lows = [.. shown.Select(step => step[band.Low])];
        double[] highs = [.. shown.Select(step => step[band.High])];
        AddArea(plot, shown, lows, highs, Colors[0].WithAlpha(0.2), band.Label);
        return [.. lows, .. highs];
    }

    /// <summary>The area of one part of the sum, between the sum of those below and that with it.</summary>
    private double[] AddPart(Plot plot, StepMetrics[] steps, int part)
    {
        double[] sums = [.. steps.Select(step => Curves.Take(part + 1).Sum(curve => step[curve.Metric]))];
        double[] below = [.. steps.Select((step, i) => sums[i] - step[Curves[part].Metric])];
        AddArea(plot, steps, below, sums, Colors[part].WithAlpha(0.75), Curves[part].Label);
        return sums;
    }

    private static void AddArea(Plot plot, StepMetrics[] steps, double[] low, double[] high, Color color, string label)
    {
        if (steps.Length == 0)
            return;
        // A single step is an area of the width of one.
        double[] xs = steps.Length == 1
            ? [steps[0].Step - 0.5, steps[0].Step + 0.5]
            : [.. steps.Select(step => (double)step.Step)];
        var area = plot.Add.FillY(xs, Spread(low), Spread(high));
        area.FillColor = color;
        area.LineWidth = 0;
        area.LegendText = label;

        double[] Spread(double[] values) => values.Length == 1 ? [values[0], values[0]] : values;
    }

    private double[] AddCurve(Plot plot, IReadOnlyList<StepMetrics> steps, int number)
    {
        var points = (from step in steps
                      let value = Logarithmic ? Math.Log10(step[Curves[number].Metric]) : step[Curves[number].Metric]
                      where IsDrawable(value)
                      select (X: (double)step.Step, Y: value)).ToArray();
        if (points.Length == 0)
            return [];
        double[] ys = [.. points.Select(point => point.Y)];
        var line = plot.Add.Scatter([.. points.Select(point => point.X)], ys, Colors[number % Colors.Length]);
        line.LineWidth = 2;
        line.MarkerSize = WithMarkers || points.Length == 1 ? 8 : 0;
        line.LegendText = Curves[number].Label;
        return ys;
    }

    /// <summary>False for NaN and for numbers whose axis the plot library cannot lay out.</summary>
    private static bool IsDrawable(double value) => Math.Abs(value) < 1e100;

    private void Label(Plot plot)
    {
        plot.Font.Set(PlotFont.Name);
        plot.Title(Title, size: 19);
        plot.XLabel("training step", size: 15);
        plot.YLabel(Unit, size: 15);
        plot.Axes.Bottom.TickLabelStyle.FontSize = 14;
        plot.Axes.Left.TickLabelStyle.FontSize = 14;
        plot.Axes.Right.MinimumSize = 35; // half of the last step's label
        plot.Axes.Bottom.TickGenerator = new NumericAutomatic { IntegerTicksOnly = true };
        if (Logarithmic)
            plot.Axes.Left.TickGenerator = new NumericAutomatic { IntegerTicksOnly = true, LabelFormatter = power => $"1e{power:0}" };
        plot.Legend.FontName = PlotFont.Name;
        plot.Legend.FontSize = 13;
        if (HasLegend)
            plot.ShowLegend(Alignment.UpperRight);
        else
            plot.HideLegend();
    }

    /// <summary>Leaves room above the curves for the legend.</summary>
    private void Scale(Plot plot, List<double> heights, IReadOnlyList<StepMetrics> steps)
    {
        if (steps.Count > 0)
            plot.Axes.SetLimitsX(steps[0].Step - 0.5, steps[^1].Step + 0.5);
        if (heights.Count == 0)
        {
            AddNote(plot, "not measured");
            return;
        }
        var (bottom, top) = (heights.Min(), heights.Max());
        if (FromZero)
            bottom = Math.Min(0, bottom);
        if (Logarithmic)
            (bottom, top) = (Math.Floor(bottom), Math.Ceiling(top)); // whole powers of ten, which have the ticks
        var range = top > bottom ? top - bottom : 1;
        plot.Axes.SetLimitsY(bottom - (0.03 * range), bottom + (range * (HasLegend ? 1.3 : 1.08)));
    }

    private static void AddNote(Plot plot, string text)
    {
        plot.HideLegend();
        plot.Axes.Left.TickGenerator = new EmptyTickGenerator();
        var note = plot.Add.Annotation(text, Alignment.MiddleCenter);
        note.LabelFontName = PlotFont.Name;
        note.LabelFontSize = 15;
        note.LabelBackgroundColor = note.LabelBorderColor = note.LabelShadowColor = ScottPlot.Colors.Transparent;
    }
}
