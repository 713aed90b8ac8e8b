using Rollout.Actors.Data;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Host.Tests.Support;

/// <summary>What a trainer reports of made-up training steps.</summary>
internal static class FinishedSteps
{
    /// <summary>A step that trained on these groups.</summary>
    public static TrainingStepFinished Of(int step, params ScoredGroup[] groups) => new()
    {
        Step = step,
        Steps = 9,
        Train = new TrainStats
        {
            Version = new PolicyVersion(step),
            Loss = 0.25,
            GradientNorm = 0.5,
            LearningRate = 1e-3,
            ClipFraction = 0.125,
            Kl = 0.01,
            Entropy = 0.75,
            LogprobDifferenceMean = 1e-6,
            LogprobDifferenceMax = 1e-5,
            TrainedTokens = 10,
            EqualRewardGroups = 0,
            Seconds = 2,
            ProcessedTokens = 100,
        },
        Decode = DecoderStats.None,
        FailedGroups = 0,
        Groups = groups,
        RolloutSeconds = 4,
        TotalSeconds = 7,
    };

    /// <summary>A group whose prompt has three tokens.</summary>
    public static ScoredGroup Group(long id, params (double Reward, int Length, FinishReason Reason)[] samples) => new(
        new PromptItem($"item {id}", "2+2=", new Dictionary<string, string>()),
        [7, 7, 7],
        new GroupFinished(new GroupId(id), [.. samples.Select((sample, i) => new Completion(
            i,
            new SampledTokens(new int[sample.Length], new float[sample.Length], [new(default, 0)]),
            sample.Reason))]),
        [.. samples.Select(sample => sample.Reward)],
        [.. samples.Select((_, i) => $"text {i}")]);
}
