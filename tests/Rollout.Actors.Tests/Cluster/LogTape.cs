using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Topology;

namespace Rollout.Actors.Tests.Cluster;

/// <summary>
/// The warnings and errors that a member logs, less those about links to members that have gone, which the program's own log
/// leaves out. Its log level must be WARNING or lower.
/// </summary>
internal sealed class LogTape
{
    public const string Akka = "akka.loglevel = WARNING\nakka.stdout-loglevel = OFF\n";

    private static readonly string[] LeftOut = ["Association", "Disassociated", "Unable to REMOVE channel", "No response from remote"];

    private readonly ConcurrentQueue<string> _lines = new();

    public LogTape(RolloutTopology member)
    {
        var recorder = member.System.ActorOf(Props.Create(() => new Recorder(_lines)));
        member.System.EventStream.Subscribe(recorder, typeof(Warning));
        member.System.EventStream.Subscribe(recorder, typeof(Error));
    }

    public IReadOnlyCollection<string> Lines => _lines;

    private sealed class Recorder : ReceiveActor
    {
        public Recorder(ConcurrentQueue<string> lines) =>
            Receive<LogEvent>(line => !LeftOut.Any($"{line.Message}".Contains), line => lines.Enqueue($"{line.LogLevel()} {line.LogClass}: {line.Message} {line.Cause?.Message}"));
    }
}
