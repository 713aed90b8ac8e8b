using Rollout.Actors.Settings;

namespace Rollout.Actors.Tests.Support;

/// <summary>Settings for tests: small, and nothing times out by itself.</summary>
public static class TestSettings
{
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(5);

    public static DecoderSettings Decoder { get; } = new()
    {
        MaxNumSeqs = 8,
        MaxNumBatchedTokens = 64,
        MaxStepRetries = 2,
        MaxRestarts = 2,
    };

    public static SchedulerSettings Scheduler { get; } = new() { LookaheadSeqs = 4, GroupTimeout = Long };

    public static BarrierSettings Barrier { get; } = new() { Timeout = TimeSpan.FromSeconds(60) };

    public static TrainerSettings Train { get; } = new()
    {
        Steps = 3,
        PromptsPerStep = 2,
        NumGenerations = 2,
        StepTimeout = Long,
        RewardTimeout = Long,
    };

    public static EvalSettings Eval { get; } = new() { Every = 0, Prompts = 0, RightAt = 1, Target = 0 };

    public static RolloutSettings Rollout { get; } = new()
    {
        Engine = CacheEngine.Paged,
        Blocks = new BlockSettings { PrefixCaching = true },
        Decoder = Decoder,
        Scheduler = Scheduler,
        Barrier = Barrier,
        Cluster = new ClusterSettings
        {
            Hostname = "127.0.0.1",
            Port = 0,
            Roles = ["scheduler", "decoder", "trainer"],
        },
    };
}
