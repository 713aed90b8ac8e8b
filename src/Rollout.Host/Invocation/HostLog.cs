using Akka.Actor;
using Akka.Dispatch;
using Akka.Event;

namespace Rollout.Host.Invocation;

/// <summary>Akka's log as plain lines on standard error: standard output belongs to the view and to results.</summary>
public sealed class HostLog : ReceiveActor, IRequiresMessageQueue<ILoggerMessageQueueSemantics>
{
    /// <summary>
    /// What remoting says again and again of a process that is not there: the cluster's own lines say it once. All of
    /// it is shown where ROLLOUT_DEBUG=1 asks for it.
    /// </summary>
    private static readonly string[] Repeated =
    [
        "Tried to associate with unreachable remote address", "Association with remote system", "Association to",
        "AssociationError", "Disassociated", "No response from remote", "Marking node(s) as",
        "Unable to REMOVE channel",
    ];

    public HostLog()
    {
        Receive<InitializeLogger>(_ => Sender.Tell(new LoggerInitialized()));
        Receive<LogEvent>(line =>
        {
            var text = Format(line);
            if (ErrorReport.TraceWanted || !IsAkkas(line.LogClass) || !Repeated.Any(text.Contains))
                Console.Error.WriteLine(text);
        });
    }

    /// <summary>The configuration that makes a system log here.</summary>
    public static string Akka { get; } = $"akka.loggers = [\"{typeof(HostLog).FullName}, {typeof(HostLog).Assembly.GetName().Name}\"]\n";

    /// <summary>What the product says itself is never left out.</summary>
    private static bool IsAkkas(Type source) =>
        source.FullName is { } name && (name.StartsWith("Akka.", StringComparison.Ordinal) || name.StartsWith("DotNetty.", StringComparison.Ordinal));

    /// <summary>One line: stack traces in messages are cut off.</summary>
    internal static string Format(LogEvent line) =>
        $"{line.Timestamp:HH:mm:ss} {line.LogLevel().ToString()[..^"Level".Length].ToUpperInvariant()} {FirstLine(line.Message)}"
        + (line.Cause is { } cause ? $" ({cause.GetType().Name}: {FirstLine(cause.Message)})" : "");

    private static string FirstLine(object? message) => $"{message}".Split('\n', 2)[0].TrimEnd('\r', ' ');
}
