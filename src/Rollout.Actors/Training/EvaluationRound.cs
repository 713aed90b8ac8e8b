using Rollout.Actors.Data;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Training;

/// <summary>
/// The groups of an evaluation and what they say. A group is a prompt with one greedy sample, and eval.samples at
/// eval.temperature. Its id is below 0, and each set has a range of ids of its own: an evaluation draws from other randomness
/// than training, than every other set and than every other step.
/// </summary>
/// <param name="job">The sets, and how their prompts are answered and judged.</param>
public sealed class EvaluationRound(TrainingJob job)
{
    /// <summary>The ids of a set are 2^48 numbers: its prompts times the steps of the run are less.</summary>
    private const int IdBits = 48;

    /// <summary>The groups of the evaluation after a training step, set by set.</summary>
    /// <exception cref="InvalidDataException">A prompt can't be encoded.</exception>
    public IEnumerable<(PromptItem Item, GroupRequest Request)> Groups(int step)
    {
        SamplingParams[] samples = [Greedy, .. Enumerable.Repeat(Drawn, job.Eval.Samples)];
        foreach (var (number, set) in job.EvalSets.Index())
        {
            var count = job.Eval.Prompts == 0 ? set.Prompts.Count : Math.Min(job.Eval.Prompts, set.Prompts.Count);
            for (var i = 0; i < count; i++)
            {
                var item = set.Prompts[i];
                var place = ((long)number << IdBits) + ((long)step * count) + i;
                yield return (item, new GroupRequest(new GroupId(-1 - place), job.Encode(item), samples));
            }
        }
    }

    /// <summary>What the groups say, once each of them is scored or has failed. Failed ones are left out.</summary>
    /// <exception cref="InvalidOperationException">All groups of a set failed.</exception>
    public Evaluation Result(RoundGroups groups)
    {
        var scored = groups.Scored.ToLookup(group => SetOf(group.Group.Id));
        return new Evaluation([.. job.EvalSets.Select((set, number) => scored[number].Any()
            ? Judged(set.Name, [.. scored[number].Select(Judged)])
            : throw new InvalidOperationException(
                groups.WhyAllFailed($"groups of the evaluation on {set.Name}", id => SetOf(id) == number)))]);
    }

    private SamplingParams Greedy => job.Sampling with { Temperature = 0, TopK = 0, TopP = 1, MinP = 0 };

    private SamplingParams Drawn => job.Sampling with { Temperature = (float)job.Eval.Temperature };

    private EvaluatedSet Judged(string name, EvaluatedGroup[] groups) => new(
        name,
        groups.Average(group => group.Right[0] ? 1.0 : 0),
        job.Eval.Samples == 0
            ? null
            : SampledScores.Of([.. groups.Select(group => group.Right.Skip(1).Count(right => right))], job.Eval.Samples, job.Eval.PassAt),
        groups);

    private EvaluatedGroup Judged(ScoredGroup group) => new(group, Array.ConvertAll(group.Rewards, job.Eval.IsRight));

    private static int SetOf(GroupId id) => (int)((-1 - id.Value) >> IdBits);
}
