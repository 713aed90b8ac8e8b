using Rollout.Host.Invocation;
using Xunit;

namespace Rollout.Host.Tests.Invocation;

public sealed class StopSignalTests
{
    private readonly List<string> _said = [];
    private readonly List<int> _exits = [];

    [Fact]
    public void The_first_press_asks_to_stop_and_the_second_ends_at_once()
    {
        using var stop = new StopSignal(_said.Add, _exits.Add);
        Assert.False(stop.Token.IsCancellationRequested);

        stop.Press();
        Assert.True(stop.Token.IsCancellationRequested);
        Assert.Equal(["Stopping after this step; press Ctrl-C again to end at once."], _said);
        Assert.Empty(_exits);

        stop.Press();
        Assert.Equal([ExitCodes.Interrupted], _exits);
        Assert.Single(_said);
    }

    [Fact]
    public void A_termination_that_is_sent_twice_ends_nothing_at_once()
    {
        using var stop = new StopSignal(_said.Add, _exits.Add);

        stop.Terminate();
        stop.Terminate();

        Assert.True(stop.Token.IsCancellationRequested);
        Assert.Empty(_exits);
    }

    [Fact]
    public void A_view_that_owns_the_console_says_it_instead()
    {
        List<string> view = [];
        using var stop = new StopSignal(_said.Add, _exits.Add);
        stop.AnnounceBy(view.Add);

        stop.Press();

        Assert.Single(view);
        Assert.Empty(_said);
    }
}
