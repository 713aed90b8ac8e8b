namespace Rollout.Host.Invocation;

/// <summary>The exit codes of the program.</summary>
public static class ExitCodes
{
    public const int Ok = 0;

    /// <summary>The command started, and something failed.</summary>
    public const int Failure = 1;

    /// <summary>The command line, a file or a setting can't be used; nothing was started.</summary>
    public const int BadInput = 2;

    /// <summary>Ended by Ctrl-C before its work was done (128 + SIGINT, as in shells).</summary>
    public const int Interrupted = 130;

    /// <summary>Ended by SIGTERM before its work was done (128 + SIGTERM).</summary>
    public const int Terminated = 143;
}
