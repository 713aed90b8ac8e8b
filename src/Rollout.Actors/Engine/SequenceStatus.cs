namespace Rollout.Actors.Engine;

/// <summary>The state of a sequence in its engine.</summary>
public enum SequenceStatus
{
    /// <summary>It holds no blocks: it is new, was preempted, or is tried again.</summary>
    Waiting,

    /// <summary>It holds blocks and its tokens are being computed in chunks.</summary>
    Prefilling,

    /// <summary>It samples one token a step.</summary>
    Decoding,

    /// <summary>It ended; its blocks are released with the next demand.</summary>
    Finished,
}
