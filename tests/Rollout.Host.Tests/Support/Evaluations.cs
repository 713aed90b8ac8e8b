using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Gpu.Contracts;

namespace Rollout.Host.Tests.Support;

/// <summary>Made-up evaluations.</summary>
internal static class Evaluations
{
    /// <summary>Greedy samples of the held-out prompts alone.</summary>
    public static Evaluation Of(double accuracy) => new([new EvaluatedSet(EvalSetSettings.HeldOut, accuracy, null, [])]);

    /// <summary>Two sets of one prompt each, with a greedy sample and two others.</summary>
    public static Evaluation OfTwoSets() => new([Set(EvalSetSettings.HeldOut, 0.25), Set("hard", 0.125)]);

    private static EvaluatedSet Set(string name, double accuracy)
    {
        var scored = FinishedSteps.Group(-7, (1, 2, FinishReason.Stop), (double.NaN, 6, FinishReason.Length), (1, 3, FinishReason.Stop));
        return new EvaluatedSet(
            name,
            accuracy,
            new SampledAccuracy(2, accuracy / 2, [(1, accuracy / 2), (2, accuracy)]),
            [new EvaluatedGroup(scored with { ByFunction = [new("exact", [1, double.NaN, 1])] }, [true, false, true])]);
    }
}
