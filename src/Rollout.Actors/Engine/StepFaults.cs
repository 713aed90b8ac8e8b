using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Engine;

/// <summary>
/// Decides what a failed step means for its sequences. A fault that names sequences gives each one last try in a step
/// of its own; otherwise every member has failed once more. After a draw fault the KV is written, so unnamed decode
/// rows keep their blocks and draw again. All others release their blocks and are prefilled again.
/// </summary>
internal static class StepFaults
{
    /// <summary>Counts the failure. No member goes on from a token of this step.</summary>
    /// <returns>Whose group fails, and who is prefilled again.</returns>
    public static (List<Sequence> OutOfTries, List<Sequence> Again) Judge(
        StepPlan plan, Exception fault, int maxStepRetries)
    {
        var culprits = Culprits(plan, fault);
        var prefilled = plan.Chunks.SelectMany(chunk => chunk.Prefill.Members).ToHashSet();
        List<Sequence> outOfTries = [];
        List<Sequence> again = [];
        foreach (var sequence in plan.Members.ToArray())
        {
            sequence.StartOver();
            var isBlamed = culprits is null || culprits.Contains(sequence);
            if (isBlamed && HasLastFailed(sequence, isNamed: culprits is not null, maxStepRetries))
                outOfTries.Add(sequence);
            else if (isBlamed || fault is not DrawFaultException || prefilled.Contains(sequence))
                again.Add(sequence);
        }
        return (outOfTries, again);
    }

    private static bool HasLastFailed(Sequence sequence, bool isNamed, int maxStepRetries)
    {
        sequence.Failures++;
        if (sequence.IsOnLastTry || sequence.Failures > maxStepRetries)
            return true;
        sequence.IsOnLastTry = isNamed || sequence.Failures == maxStepRetries;
        return false;
    }

    /// <summary>The sequences that a fault names; null if it names none, so that all members are suspects.</summary>
    private static HashSet<Sequence>? Culprits(StepPlan plan, Exception fault)
    {
        HashSet<Sequence> named = fault switch
        {
            DrawFaultException { Draws: var draws } =>
                [.. draws.Where(draw => draw < plan.Draws.Count).Select(draw => plan.Draws[draw].Sequence)],
            RowFaultException { Rows: var rows } =>
            [
                .. plan.Draws.Where(draw => rows.Contains(draw.Row)).Select(draw => draw.Sequence),
                .. plan.Chunks.Where(chunk => rows.Contains(chunk.Row)).SelectMany(chunk => chunk.Prefill.Members),
            ],
            _ => [],
        };
        return named.Count > 0 ? named : null;
    }
}
