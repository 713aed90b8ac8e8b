namespace Rollout.Actors.Engine;

/// <summary>Where a sequence stands in its decoder.</summary>
public enum SequenceStatus
{
    /// <summary>It holds no blocks: new, preempted, or to be tried again.</summary>
    Waiting,

    /// <summary>It holds blocks and its tokens are being computed in chunks.</summary>
    Prefilling,

    /// <summary>It gets one token a step.</summary>
    Running,

    /// <summary>It ended; its blocks are released with the next demand.</summary>
    Finished,
}
