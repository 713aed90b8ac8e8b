using Rollout.Host.Invocation;
using Xunit;

namespace Rollout.Host.Tests.Invocation;

public sealed class StopSignalTests : IDisposable
{
    private readonly List<string> _said = [];
    private readonly List<int> _exits = [];
    private readonly StopSignal _stop;

    public StopSignalTests() => _stop = new StopSignal(_said.Add, _exits.Add);

    [Fact]
    public void The_first_press_asks_to_stop_and_the_second_ends_at_once()
    {
        Assert.False(_stop.Token.IsCancellationRequested);

        _stop.Press();
        Assert.True(_stop.Token.IsCancellationRequested);
        Assert.Equal(["Stopping; press Ctrl-C again to end at once."], _said);
        Assert.Empty(_exits);

        _stop.Press();
        Assert.Equal([ExitCodes.Interrupted], _exits);
        Assert.Single(_said);
    }

    [Fact]
    public void A_termination_that_is_sent_twice_ends_nothing_at_once()
    {
        _stop.Terminate();
        _stop.Terminate();

        Assert.True(_stop.Token.IsCancellationRequested);
        Assert.Empty(_exits);
    }

    [Fact]
    public void A_command_that_does_not_stop_in_time_is_ended()
    {
        _stop.Terminate();
        _stop.EndOverdue();

        Assert.Equal([ExitCodes.Terminated], _exits);
        Assert.Equal("Ended at once: the command did not stop within 4 seconds.", _said[^1]);
    }

    [Fact]
    public void A_command_that_has_taken_over_announces_its_end_and_takes_its_time()
    {
        List<string> view = [];
        _stop.TakeOver(() => view.Add("Stopping after this step."));

        _stop.Terminate();
        _stop.EndOverdue();

        Assert.Equal(["Stopping after this step."], view);
        Assert.Empty(_said);
        Assert.Empty(_exits);
    }

    public void Dispose() => _stop.Dispose();
}
