using Spectre.Console;

namespace Rollout.Host.Invocation;

/// <summary>The consoles and the stop signal that a command runs with.</summary>
/// <param name="Console">Standard output.</param>
/// <param name="Error">Standard error, for sentences only.</param>
/// <param name="Stop">Raised by Ctrl-C and SIGTERM.</param>
public sealed record CommandContext(IAnsiConsole Console, TextWriter Error, StopSignal Stop);
