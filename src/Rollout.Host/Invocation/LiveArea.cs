using System.Text;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Rollout.Host.Invocation;

/// <summary>
/// The bottom rows of a terminal, where a panel or a progress bar is drawn over in place. Lines that are written through
/// <see cref="Above"/> appear over it and stay. All methods may be called from any thread.
/// </summary>
/// <param name="console">Standard output.</param>
public sealed class LiveArea(IAnsiConsole console)
{
    private const string HideCursor = "\e[?25l";
    private const string ShowCursor = "\e[?25h";

    private readonly Lock _turn = new();
    private IRenderable? _shown;
    private int[] _drawnWidths = []; // [rows on the screen] columns of each

    /// <summary>Whether the console is a terminal that can draw over what it shows.</summary>
    public bool CanDraw { get; } = console.Profile is { Out.IsTerminal: true, Capabilities: { Ansi: true, Interactive: true } };

    /// <summary>Standard output.</summary>
    public IAnsiConsole Console => console;

    /// <summary>Shows something in place of what was shown before. Needs <see cref="CanDraw"/>.</summary>
    public void Draw(IRenderable shown)
    {
        lock (_turn)
        {
            _shown = shown;
            Redraw();
        }
    }

    /// <summary>Stops drawing; the last drawing stays on the screen.</summary>
    public void Leave() => End("");

    /// <summary>Stops drawing, and removes the last drawing from the screen.</summary>
    public void Clear()
    {
        lock (_turn)
            End(Erase());
    }

    /// <summary>A writer to the same terminal whose lines appear above what is drawn.</summary>
    public TextWriter Above(TextWriter writer) => TextWriter.Synchronized(new LinesAbove(this, writer));

    private void End(string control)
    {
        lock (_turn)
        {
            if (_shown is not null)
                console.Write(new Frame(control + ShowCursor, []));
            _shown = null;
            _drawnWidths = [];
        }
    }

    private void WriteAbove(Action write)
    {
        lock (_turn)
        {
            if (_shown is not null)
                console.Write(new Frame(Erase(), []));
            _drawnWidths = [];
            write();
            if (_shown is not null)
                Redraw();
        }
    }

    private void Redraw()
    {
        var (width, height) = (console.Profile.Width, console.Profile.Height);
        var options = RenderOptions.Create(console, console.Profile.Capabilities);
        // The cursor rests on the row below: what is taller than the rest of the screen could not be erased.
        SegmentLine[] rows = [.. Segment.SplitLines(_shown!.Render(options, width), width).Take(Math.Max(1, height - 1))];
        console.Write(new Frame(HideCursor + Erase(), rows));
        _drawnWidths = [.. rows.Select(row => row.CellCount())];
    }

    /// <summary>Erases the cursor's row and the drawn ones above it, from below, so that the cursor ends in the first.</summary>
    private string Erase()
    {
        if (_drawnWidths.Length == 0)
            return "";
        var width = Math.Max(1, console.Profile.Width);
        // A terminal that has become narrower has broken its rows.
        var rows = _drawnWidths.Sum(columns => Math.Max(1, (columns + width - 1) / width));
        // Row by row: tmux scrolls a screen that is erased at once into its history.
        return "\r\e[2K" + string.Concat(Enumerable.Repeat("\e[1A\e[2K", rows));
    }

    /// <summary>A control sequence and rows in one write, so that the terminal never shows half of them.</summary>
    private sealed class Frame(string control, SegmentLine[] rows) : IRenderable
    {
        public Measurement Measure(RenderOptions options, int maxWidth) => new(maxWidth, maxWidth);

        public IEnumerable<Segment> Render(RenderOptions options, int maxWidth)
        {
            yield return Segment.Control(control);
            foreach (var row in rows)
            {
                foreach (var segment in row)
                    yield return segment;
                yield return Segment.LineBreak;
            }
        }
    }

    /// <summary>Collects characters and passes whole lines on.</summary>
    private sealed class LinesAbove(LiveArea area, TextWriter writer) : TextWriter
    {
        private readonly StringBuilder _line = new();

        public override Encoding Encoding => writer.Encoding;

        public override void Write(char value)
        {
            _line.Append(value);
            if (value == '\n')
                Flush();
        }

        public override void Flush()
        {
            if (_line.Length == 0)
                return;
            var text = _line.ToString();
            _line.Clear();
            area.WriteAbove(() =>
            {
                writer.Write(text);
                writer.Flush();
            });
        }

        protected override void Dispose(bool disposing)
        {
            Flush();
            base.Dispose(disposing);
        }
    }
}
