namespace Rollout.Host.Invocation;

/// <summary>The command line can't be used; the message is one sentence.</summary>
public sealed class CommandLineException(string message) : Exception(message);
