using Akka.Actor;
using Akka.Dispatch;
using Akka.Event;

namespace Rollout.Host;

/// <summary>Akka's log as plain lines on standard error: standard output belongs to the view and to results.</summary>
public sealed class HostLog : ReceiveActor, IRequiresMessageQueue<ILoggerMessageQueueSemantics>
{
    public HostLog()
    {
        Receive<InitializeLogger>(_ => Sender.Tell(new LoggerInitialized()));
        Receive<LogEvent>(line => Console.Error.WriteLine(Format(line)));
    }

    /// <summary>The configuration that makes a system log here.</summary>
    public static string Akka { get; } = $"akka.loggers = [\"{typeof(HostLog).FullName}, {typeof(HostLog).Assembly.GetName().Name}\"]\n";

    private static string Format(LogEvent line) =>
        $"{line.Timestamp:HH:mm:ss} {line.LogLevel().ToString()[..^"Level".Length].ToUpperInvariant()} {line.Message}"
        + (line.Cause is { } cause ? $" ({cause.GetType().Name}: {cause.Message})" : "");
}
