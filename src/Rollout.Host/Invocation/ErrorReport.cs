namespace Rollout.Host.Invocation;

/// <summary>
/// Reports an exception that no command handled as one sentence on standard error and an exit code. The stack trace follows
/// if ROLLOUT_DEBUG=1 is set.
/// </summary>
/// <param name="error">Standard error.</param>
/// <param name="withTrace">Print the stack trace too.</param>
/// <param name="interrupted">The exit code of a command that was stopped.</param>
/// <param name="badInput">Types, or base types, of exceptions whose message is a sentence about the user's input.</param>
/// <param name="failures">Types, or base types, of exceptions whose message is a sentence about a failure.</param>
internal sealed class ErrorReport(
    TextWriter error, bool withTrace, int interrupted, IReadOnlySet<Type> badInput, IReadOnlySet<Type> failures)
{
    public static bool TraceWanted => Environment.GetEnvironmentVariable("ROLLOUT_DEBUG") == "1";

    /// <summary>Writes the sentence, and returns the exit code.</summary>
    public int Write(Exception thrown)
    {
        var cause = Innermost(thrown);
        try
        {
            error.WriteLine(OneLine(Sentence(cause)));
            if (withTrace)
                error.WriteLine(thrown.ToString());
        }
        catch (IOException)
        {
            // Nobody can be told, such as on a full disk; the exit code still tells.
        }
        return cause is OperationCanceledException ? interrupted
            : IsOneOf(badInput, cause) ? ExitCodes.BadInput
            : ExitCodes.Failure;
    }

    private string Sentence(Exception cause) => cause switch
    {
        OperationCanceledException => "Stopped before the end.",
        _ when IsOneOf(badInput, cause) || IsOneOf(failures, cause) => cause.Message,
        IOException or UnauthorizedAccessException => $"A file cannot be read or written: {cause.Message}",
        OutOfMemoryException => "The machine has too little free memory.",
        _ => $"Unexpected {cause.GetType().Name}: {cause.Message} (ROLLOUT_DEBUG=1 shows where)",
    };

    private static bool IsOneOf(IReadOnlySet<Type> types, Exception cause) =>
        types.Any(type => type.IsInstanceOfType(cause));

    /// <summary>The exception that tasks and static constructors have wrapped.</summary>
    private static Exception Innermost(Exception thrown) => thrown switch
    {
        AggregateException { InnerException: { } cause } => Innermost(cause),
        TypeInitializationException { InnerException: { } cause } => Innermost(cause),
        _ => thrown,
    };

    private static string OneLine(string message) =>
        string.Join(' ', message.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
}
