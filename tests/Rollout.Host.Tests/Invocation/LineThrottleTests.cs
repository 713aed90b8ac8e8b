using Akka.Event;
using Rollout.Host.Invocation;
using Xunit;

namespace Rollout.Host.Tests.Invocation;

public sealed class LineThrottleTests
{
    private static readonly DateTime Start = new(2026, 11, 28, 10, 0, 0, DateTimeKind.Utc);

    private readonly LineThrottle _throttle = new();

    [Fact]
    public void A_thousand_failing_connections_cost_a_line_a_minute_with_their_number()
    {
        for (var i = 0; i < 1000; i++)
            Assert.Equal(i == 0 ? "failed 0" : null, _throttle.Pass("failed", Start.AddMilliseconds(i), $"failed {i}"));

        Assert.Equal("failed again (and 999 like it before)", _throttle.Pass("failed", Start.AddMinutes(2), "failed again"));
        Assert.Equal("once more", _throttle.Pass("failed", Start.AddMinutes(4), "once more"));
    }

    [Fact]
    public void A_clock_that_is_set_back_silences_nothing()
    {
        _throttle.Pass("failed", Start, "failed");

        Assert.Equal("again", _throttle.Pass("failed", Start.AddHours(-1), "again"));
    }

    [Fact]
    public void Lines_of_another_kind_are_not_held_back()
    {
        _throttle.Pass("failed", Start, "failed");

        Assert.Equal("other", _throttle.Pass("other", Start, "other"));
    }

    [Fact]
    public void The_bytes_of_a_failed_handshake_are_cut_to_a_short_line()
    {
        var line = new Error(
            new InvalidOperationException($"not an SSL/TLS record: {new string('a', 9000)}"), "source", typeof(LineThrottleTests),
            "Error caught channel");

        Assert.InRange(HostLog.Format(line).Length, 100, 1000);
    }
}
