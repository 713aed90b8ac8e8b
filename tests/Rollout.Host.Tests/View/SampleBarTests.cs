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
        using (var bar = new SampleBar(context, samples: 4, TimeProvider.System))
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
        using (var bar = new SampleBar(Consoles.Context(output, output), samples: 4, TimeProvider.System))
            bar.Add(4);

        Assert.Empty(output.ToString());
    }

    [Fact]
    public void A_log_gets_a_line_every_30_seconds_with_the_time_left()
    {
        var (log, clock) = (new StringWriter(), new HandSetClock());
        using (var bar = new SampleBar(Consoles.Context(TextWriter.Null, log), samples: 400, clock))
        {
            bar.Add(10);
            clock.Seconds = 30;
            bar.Add(90);
            bar.Add(1);
            clock.Seconds = 61;
            bar.Add(99);
        }

        Assert.Equal(
            ["samples 100/400, 0:01:30 left", "samples 200/400, 0:01:01 left"],
            log.ToString().Split(log.NewLine, StringSplitOptions.RemoveEmptyEntries));
    }

    private sealed class HandSetClock : TimeProvider
    {
        public long Seconds { get; set; }

        public override long TimestampFrequency => 1;

        public override long GetTimestamp() => Seconds;
    }
}
