namespace Rollout.Actors.Settings;

/// <summary>The limits of scoring, from the section <c>train</c>.</summary>
public sealed record RewardLimits
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);

    /// <summary>The time of one call of a reward function, from its start.</summary>
    public required TimeSpan Timeout { get; init; }

    /// <summary>Calls of one function that run at once.</summary>
    public required int Concurrency { get; init; }

    /// <summary>Calls in all for samples whose reward can be tried again.</summary>
    public required int Tries { get; init; }

    /// <summary>The pause before the second try; each later one is twice as long.</summary>
    public required TimeSpan RetryWait { get; init; }

    /// <summary>Calls that may go on although they were told to give up; at more the run ends.</summary>
    public required int MaxStuck { get; init; }

    public static RewardLimits From(ConfigSection section) => new()
    {
        Timeout = section.Duration("reward-timeout"),
        Concurrency = section.Whole("reward-concurrency", Bounds.Between(1, 4096)),
        Tries = section.Whole("reward-tries", Bounds.Between(1, 100)),
        RetryWait = section.Duration("reward-retry-wait"),
        MaxStuck = section.Whole("max-stuck-rewards", Bounds.AtLeast(0)),
    };

    /// <summary>The pause after a failed try: twice as long as the one before, and at most a minute.</summary>
    /// <param name="tries">Tries so far, from 1.</param>
    /// <param name="atLeast">The shortest pause that the reward asks for; null for none.</param>
    public TimeSpan PauseAfter(int tries, TimeSpan? atLeast)
    {
        var doubled = RetryWait * Math.Pow(2, Math.Min(tries - 1, 20));
        var longer = atLeast > doubled ? atLeast.Value : doubled;
        return longer < LongestPause ? longer : LongestPause;
    }
}
