namespace Rollout.Host.Invocation;

/// <summary>What the program's exit says to whoever started it.</summary>
public static class ExitCodes
{
    public const int Ok = 0;

    /// <summary>Something failed while it ran.</summary>
    public const int Failure = 1;

    /// <summary>The command line, a file or a setting cannot be used; nothing was started.</summary>
    public const int BadInput = 2;

    /// <summary>Ended at once by a second Ctrl-C (128 + SIGINT, as shells have it).</summary>
    public const int Interrupted = 130;
}
