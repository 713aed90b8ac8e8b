using Rollout.Host.Tests.Support;
using Rollout.Host.View;
using Xunit;

namespace Rollout.Host.Tests.View;

public sealed class SampleBarTests
{
    [Fact]
    public void Lines_of_other_writers_stay_whole_above_the_bar_and_the_bar_goes_at_the_end()
    {
        var terminal = new VirtualTerminal();
        var context = Consoles.Context(terminal);
        using (var bar = new SampleBar(context.Live, samples: 4))
        {
            Assert.Equal($"samples {new string('-', 40)} 0% 0/4", terminal.Rows[0]);
            context.Error.WriteLine("12:00:00 decoder 2 is unreachable");
            bar.Add(4);
            Assert.Equal("12:00:00 decoder 2 is unreachable", terminal.Rows[0]);
            Assert.StartsWith($"samples {new string('=', 40)} 100% 4/4", terminal.Rows[1], StringComparison.Ordinal);
        }

        Assert.Equal(["12:00:00 decoder 2 is unreachable"], terminal.Rows.Where(row => row.Length > 0));
        Assert.True(terminal.ShowsCursor);
    }

    [Fact]
    public void A_file_gets_no_bar()
    {
        var output = new StringWriter();
        using (var bar = new SampleBar(Consoles.Context(output).Live, samples: 4))
            bar.Add(4);

        Assert.Empty(output.ToString());
    }
}
