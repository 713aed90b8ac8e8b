using Akka.Configuration;
using Rollout.Actors.Topology;
using Xunit;

namespace Rollout.Actors.Tests.Topology;

public sealed class SaveDeadlineTests
{
    [Fact]
    public void A_large_checkpoint_has_the_time_that_a_slow_disk_needs()
    {
        const long EightBillionParametersWithOptimizer = 8_000_000_000L * (2 + 4 + 4 + 4);

        var deadline = SaveDeadline.Of(EightBillionParametersWithOptimizer);

        Assert.True(deadline > TimeSpan.FromSeconds(EightBillionParametersWithOptimizer / 25e6));
    }

    [Fact]
    public void The_shutdown_waits_longer_than_any_trainer_needs_to_save()
    {
        using var stream = typeof(SaveDeadline).Assembly.GetManifestResourceStream(
            typeof(SaveDeadline).Assembly.GetManifestResourceNames().Single(name => name.EndsWith("akka.conf")));
        using var reader = new StreamReader(stream!);
        var phase = ConfigurationFactory.ParseString(reader.ReadToEnd())
            .GetTimeSpan("akka.coordinated-shutdown.phases.before-service-unbind.timeout");

        Assert.True(phase > SaveDeadline.Of(1_000_000_000_000));
    }
}
