using Akka.Actor;
using Akka.Configuration;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using Rollout.Actors.Protocol;

namespace Rollout.Actors.Tests.Support;

/// <summary>
/// An actor system for one test. An expected message may take long, on a machine that is busy elsewhere; none that is
/// not expected is waited for: a marker is sent behind it instead.
/// </summary>
/// <param name="akka">More configuration, in HOCON.</param>
public abstract class ActorTest(string akka = "") : TestKit(
    ConfigurationFactory.ParseString(akka).WithFallback(ConfigurationFactory.ParseString(Common)))
{
    /// <summary>Timers fire when the test calls <see cref="Advance"/>.</summary>
    protected const string VirtualTime = """akka.scheduler.implementation = "Akka.TestKit.TestScheduler, Akka.TestKit" """;

    private const string Common =
        """
        akka.test.single-expect-default = 30s
        akka.test.default-timeout = 30s
        akka.loglevel = OFF
        akka.stdout-loglevel = OFF
        rollout-device-dispatcher.type = PinnedDispatcher
        """;

    /// <summary>Tells messages as if they came from the test's own actor.</summary>
    protected void Tell(IActorRef actor, params object[] messages) =>
        Array.ForEach(messages, message => actor.Tell(message, TestActor));

    /// <summary>Moves the virtual time.</summary>
    protected void Advance(TimeSpan by) => ((TestScheduler)Sys.Scheduler).Advance(by);

    /// <summary>The virtual time for whoever measures.</summary>
    protected TimeProvider Clock => new SchedulerClock((TestScheduler)Sys.Scheduler);

    /// <summary>The actor has started and handled what was in its mailbox.</summary>
    protected static async Task SettledAsync(IActorRef actor) =>
        await actor.Ask<ActorIdentity>(new Identify(null), TimeSpan.FromSeconds(30));

    /// <summary>A decoder of a host.</summary>
    protected static DecoderId Decoder(int number, string host = "here:1") =>
        new(new HostId(host, 1), $"cuda:{number}");

    private sealed class SchedulerClock(TestScheduler scheduler) : TimeProvider
    {
        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => scheduler.Now.UtcTicks;
    }
}
