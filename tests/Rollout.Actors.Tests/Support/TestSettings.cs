using Rollout.Actors.Settings;

namespace Rollout.Actors.Tests.Support;

/// <summary>Settings for tests: the reference configuration, but small, and nothing times out by itself.</summary>
public static class TestSettings
{
    public static RolloutSettings Rollout { get; } = RolloutSettings.From(ConfigTree.Load(overrides:
    [
        "blocks.prefix-caching=on",
        "decoder.max-num-seqs=8",
        "decoder.max-num-batched-tokens=64",
        "decoder.max-step-retries=2",
        "decoder.max-restarts=2",
        "decoder.restart-pause=10ms",
        "scheduler.lookahead-seqs=4",
        "scheduler.queue-depth=100",
        "scheduler.group-timeout=5m",
        "train.steps=3",
        "train.prompts-per-step=2",
        "train.num-generations=2",
        "train.step-timeout=5m",
        "train.reward-timeout=5m",
        "eval.every=0",
        "eval.prompts=0",
        "eval.right-at=1.0",
        "eval.target=0.0",
        "barrier.timeout=60s",
    ]));

    public static DecoderSettings Decoder => Rollout.Decoder;

    public static SchedulerSettings Scheduler => Rollout.Scheduler;

    public static TrainerSettings Train => Rollout.Train;

    public static EvalSettings Eval => Rollout.Eval;
}
