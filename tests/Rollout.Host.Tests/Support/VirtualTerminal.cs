using System.Globalization;
using System.Text;
using Spectre.Console;

namespace Rollout.Host.Tests.Support;

/// <summary>
/// What a user sees after a stream of text and control sequences: a terminal with scrollback, which wraps long lines,
/// and wraps them anew when its width changes. A sequence that it does not know is an error.
/// </summary>
internal sealed class VirtualTerminal : TextWriter, IAnsiConsoleOutput
{
    private readonly List<StringBuilder> _rows = [new()];
    private readonly StringBuilder _sequence = new();
    private int _row;
    private int _column;

    public VirtualTerminal(int width = 80, int height = 24)
    {
        Width = width;
        Height = height;
        Console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            ColorSystem = ColorSystemSupport.Standard,
            Interactive = InteractionSupport.Yes,
            Out = this,
        });
        Console.Profile.Capabilities.Unicode = true;
    }

    public IAnsiConsole Console { get; }

    public TextWriter Writer => this;

    public bool IsTerminal => true;

    public int Width { get; private set; }

    public int Height { get; }

    public bool ShowsCursor { get; private set; } = true;

    public override Encoding Encoding => Encoding.UTF8;

    /// <summary>Scrollback and screen without trailing blanks.</summary>
    public string[] Rows => [.. _rows.Select(row => row.ToString().TrimEnd())];

    public void SetEncoding(Encoding encoding)
    {
    }

    public void Resize(int width)
    {
        var wrapped = new List<StringBuilder>();
        var cursor = _row;
        for (var row = 0; row < _rows.Count; row++)
        {
            if (row == cursor)
                (_row, _column) = (wrapped.Count + (_column / width), _column % width);
            var text = _rows[row].ToString().TrimEnd();
            for (var start = 0; start == 0 || start < text.Length; start += width)
                wrapped.Add(new StringBuilder(text[start..Math.Min(text.Length, start + width)]));
        }
        _rows.Clear();
        _rows.AddRange(wrapped);
        Width = width;
    }

    public override void Write(char value)
    {
        if (_sequence.Length > 0 || value == '\e')
            Collect(value);
        else if (value == '\r')
            _column = 0;
        else if (value == '\n')
            MoveTo(_row + 1, 0);
        else
            Put(value);
    }

    private void Put(char value)
    {
        if (_column == Width)
            MoveTo(_row + 1, 0);
        var row = _rows[_row];
        row.Append(' ', Math.Max(0, _column + 1 - row.Length));
        row[_column++] = value;
    }

    private void MoveTo(int row, int column)
    {
        (_row, _column) = (row, column);
        while (_rows.Count <= _row)
            _rows.Add(new StringBuilder());
    }

    private void Collect(char value)
    {
        _sequence.Append(value);
        if (_sequence.Length < 3 || !char.IsAsciiLetter(value))
            return;
        var sequence = _sequence.ToString()[2..];
        _sequence.Clear();
        if (sequence.EndsWith('m'))
            return;
        if (sequence.EndsWith('A'))
            MoveTo(Math.Max(Math.Max(0, _rows.Count - Height), _row - int.Parse(sequence[..^1], CultureInfo.InvariantCulture)), _column);
        else if (sequence is "2K")
            _rows[_row].Clear();
        else if (sequence is "?25l" or "?25h")
            ShowsCursor = sequence.EndsWith('h');
        else
            throw new InvalidOperationException($"the terminal does not know ESC[{sequence}");
    }
}
