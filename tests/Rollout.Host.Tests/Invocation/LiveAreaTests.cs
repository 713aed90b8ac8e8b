using Rollout.Host.Invocation;
using Rollout.Host.Tests.Support;
using Spectre.Console;
using Xunit;

namespace Rollout.Host.Tests.Invocation;

public sealed class LiveAreaTests
{
    [Fact]
    public void A_line_above_the_panel_leaves_nothing_of_its_border()
    {
        var terminal = new VirtualTerminal();
        var live = new LiveArea(terminal.Console);

        live.Draw(Panel("one"));
        live.Above(terminal).WriteLine("short");
        live.Above(terminal).WriteLine(new string('x', 170));
        live.Draw(Panel("two"));

        AssertRows(terminal, ["short", new string('x', 80), new string('x', 80), new string('x', 10), .. PanelRows("two")]);
    }

    [Fact]
    public void A_panel_that_grows_shrinks_or_wraps_stands_on_the_screen_once()
    {
        var terminal = new VirtualTerminal();
        var live = new LiveArea(terminal.Console);

        foreach (var text in (string[])["one", "one\ntwo\nthree", new string('w', 300), "two", "last"])
        {
            live.Draw(Panel(text));
            live.Above(terminal).WriteLine($"shown: {text[..3]}");
        }

        AssertRows(
            terminal, ["shown: one", "shown: one", "shown: www", "shown: two", "shown: las", .. PanelRows("last")]);
    }

    [Fact]
    public void Many_lines_scroll_away_above_the_panel()
    {
        var terminal = new VirtualTerminal(height: 10);
        var live = new LiveArea(terminal.Console);
        live.Draw(Panel("one"));

        for (var line = 0; line < 50; line++)
            live.Above(terminal).WriteLine($"line {line}");

        AssertRows(terminal, [.. Enumerable.Range(0, 50).Select(line => $"line {line}"), .. PanelRows("one")]);
    }

    [Fact]
    public void A_terminal_that_becomes_narrower_or_wider_keeps_one_panel()
    {
        var terminal = new VirtualTerminal();
        var live = new LiveArea(terminal.Console);
        foreach (var width in (int[])[80, 33, 100, 80])
        {
            terminal.Resize(width);
            live.Draw(Panel("one"));
        }

        AssertRows(terminal, PanelRows("one"));
    }

    [Fact]
    public void What_is_taller_than_the_screen_is_cut_so_that_it_can_be_erased()
    {
        var terminal = new VirtualTerminal(height: 6);
        var live = new LiveArea(terminal.Console);
        live.Draw(Panel(string.Join('\n', Enumerable.Range(0, 30))));
        live.Draw(Panel("one"));

        AssertRows(terminal, PanelRows("one"));
    }

    [Fact]
    public void The_echo_of_ctrl_c_below_the_panel_goes_with_the_next_drawing()
    {
        var terminal = new VirtualTerminal();
        var live = new LiveArea(terminal.Console);
        live.Draw(Panel("one"));
        Assert.False(terminal.ShowsCursor);

        terminal.Write("^C");
        live.Above(terminal).WriteLine("Stopping.");
        live.Leave();

        AssertRows(terminal, ["Stopping.", .. PanelRows("one")]);
        Assert.True(terminal.ShowsCursor);
    }

    [Fact]
    public void What_is_cleared_leaves_no_row_and_what_is_left_stays()
    {
        var terminal = new VirtualTerminal();
        var live = new LiveArea(terminal.Console);

        live.Draw(Panel("cleared"));
        live.Clear();
        live.Draw(Panel("left"));
        live.Leave();
        live.Above(terminal).WriteLine("after");

        AssertRows(terminal, [.. PanelRows("left"), "after"]);
    }

    [Fact]
    public void A_file_can_not_be_drawn_on() => Assert.False(new LiveArea(Consoles.Plain(TextWriter.Null)).CanDraw);

    private static Panel Panel(string text) => new Panel(new Text(text)).RoundedBorder().Expand();

    private static string[] PanelRows(string text) =>
        [$"╭{new string('─', 78)}╮", $"│ {text.PadRight(76)} │", $"╰{new string('─', 78)}╯"];

    private static void AssertRows(VirtualTerminal terminal, string[] expected)
    {
        var rows = terminal.Rows.ToList();
        while (rows is [.., ""])
            rows.RemoveAt(rows.Count - 1);
        Assert.Equal(expected, rows);
    }
}
