using Akka.Actor;
using Akka.Dispatch;
using Akka.Event;

namespace Rollout.Host.Invocation;

/// <summary>Writes Akka's log as plain lines to standard error. Standard output belongs to the view and to results.</summary>
public sealed class HostLog : ReceiveActor, IRequiresMessageQueue<ILoggerMessageQueueSemantics>
{
    private const string AloneKey = "rollout-log.alone";

    /// <summary>
    /// Remoting repeats these about a process that is gone; the cluster's own lines report it once. ROLLOUT_DEBUG=1 shows
    /// all of them.
    /// </summary>
    private static readonly string[] Repeated =
    [
        "Tried to associate with unreachable remote address", "Association with remote system", "Association to",
        "AssociationError", "Disassociated", "No response from remote", "Marking node(s) as",
        "Unable to REMOVE channel",
    ];

    /// <summary>The longest message that is written in characters: a failed TLS handshake is logged with all its bytes in hex.</summary>
    private const int MaxLength = 400;

    /// <summary>Late heartbeats matter to other members only.</summary>
    private static readonly string[] OfNoUseAlone = ["heartbeat was delayed", "heartbeat interval is growing too large"];

    private readonly LineThrottle _throttle = new();

    public HostLog()
    {
        var isAlone = Context.System.Settings.Config.GetBoolean(AloneKey);
        Receive<InitializeLogger>(_ => Sender.Tell(new LoggerInitialized()));
        Receive<LogEvent>(line =>
        {
            var text = Format(line);
            if (IsShown(line.LogClass, text, isAlone) && Throttle(line, text) is { } shown)
                Console.Error.WriteLine(shown);
        });
    }

    /// <summary>The configuration that makes a system log here.</summary>
    /// <param name="alone">The system is a cluster of its own, which no other process joins.</param>
    public static string Configuration(bool alone) =>
        $"akka.loggers = [\"{typeof(HostLog).FullName}, {typeof(HostLog).Assembly.GetName().Name}\"]\n"
        + $"{AloneKey} = {(alone ? "on" : "off")}\n";

    /// <summary>Akka's own lines of one kind are shown once a minute.</summary>
    private string? Throttle(LogEvent line, string text) =>
        ErrorReport.TraceWanted || !IsAkkas(line.LogClass) ? text : _throttle.Pass(KindOf(line), line.Timestamp, text);

    /// <summary>Lines of one statement in Akka's code are of one kind, whatever addresses they name.</summary>
    private static string KindOf(LogEvent line)
    {
        var statement = line.Message is LogMessage message ? message.Format : $"{line.Message}";
        return $"{line.LogClass} {line.Cause?.GetType().Name} {statement[..Math.Min(statement.Length, 30)]}";
    }

    /// <summary>The product's own lines are always shown.</summary>
    internal static bool IsShown(Type source, string text, bool isAlone) =>
        ErrorReport.TraceWanted
        || !IsAkkas(source)
        || !(Repeated.Any(text.Contains) || (isAlone && OfNoUseAlone.Any(text.Contains)));

    /// <summary>One line; a stack trace in the message is cut off.</summary>
    internal static string Format(LogEvent line) =>
        $"{line.Timestamp:HH:mm:ss} {line.LogLevel().ToString()[..^"Level".Length].ToUpperInvariant()} {FirstLine(line.Message)}"
        + (line.Cause is { } cause ? $" ({cause.GetType().Name}: {FirstLine(cause.Message)})" : "");

    private static bool IsAkkas(Type source) =>
        source.FullName is { } name
        && (name.StartsWith("Akka.", StringComparison.Ordinal) || name.StartsWith("DotNetty.", StringComparison.Ordinal));

    private static string FirstLine(object? message)
    {
        var line = $"{message}".Split('\n', 2)[0].TrimEnd('\r', ' ');
        return line.Length <= MaxLength ? line : $"{line[..MaxLength]}…";
    }
}
