using Rollout.Host.Output;

namespace Rollout.Host.Tests.Support;

internal static class Reports
{
    public static StepReport Step(int step, int steps = 40, double? heldOut = null) => new()
    {
        Step = step,
        Steps = steps,
        PolicyVersion = step,
        RewardMean = 0.125 + (0.02 * step),
        RewardStd = 0.25,
        HeldOutAccuracy = heldOut,
        RolloutTokensPerSecond = 12345.6,
        TrainTokensPerSecond = 6789.4,
        MeanCompletionLength = 5.25,
        MaxCompletionLength = 12,
        TruncatedShare = 0.125,
        Kl = 0.0012345,
        ClipFraction = 0.0156,
        Entropy = 0.5,
        LogprobDifferenceMean = 1.25e-6,
        LogprobDifferenceMax = 4.5e-5,
        GradientNorm = 0.75,
        LearningRate = 1e-3,
        Loss = -0.0421,
        EqualRewardGroups = 3,
        FailedGroups = 0,
        BlocksInUsePeak = 96,
        BlocksTotal = 512,
        SharingRatio = 2.5,
        Preemptions = 0,
        StepFailures = 0,
        RolloutSeconds = 1.5,
        TrainSeconds = 0.75,
        TotalSeconds = 2.5,
    };
}
