using Rollout.Actors.Data;
using Rollout.Actors.Protocol;
using Rollout.Actors.Settings;
using Rollout.Actors.Text;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Training;

/// <summary>A training run's settings and data; makes groups of its prompts. Used by the trainer.</summary>
public sealed record TrainingJob
{
    public required TrainerSettings Train { get; init; }

    public required EvalSettings Eval { get; init; }

    /// <summary>How training completions are drawn; its MaxTokens and stop ids serve evaluation too.</summary>
    public required SamplingParams Sampling { get; init; }

    public required ITokenizer Tokenizer { get; init; }

    public required IPromptDataset Dataset { get; init; }

    /// <summary>Sets of prompts to evaluate on, beside those that <see cref="Dataset"/> holds out.</summary>
    public IReadOnlyList<EvalSet> FurtherSets { get; init; } = [];

    /// <summary>All sets to evaluate on: those that are held out of training come first, where there are any.</summary>
    public IReadOnlyList<EvalSet> EvalSets =>
        Dataset.HeldOut.Count > 0 ? [new EvalSet(EvalSetSettings.HeldOut, Dataset.HeldOut), .. FurtherSets] : FurtherSets;

    /// <summary>Training steps between two checkpoints; 0 saves only the last.</summary>
    public required int CheckpointEvery { get; init; }

    /// <summary>Saves also after an evaluation whose accuracy is the highest so far.</summary>
    public bool KeepBest { get; init; }

    /// <summary>The folder of the checkpoint after a training step.</summary>
    public required Func<int, string> CheckpointFolder { get; init; }

    /// <summary>
    /// Prompt number <paramref name="cursor"/> and its group. The cursor is the group's id, so a resumed run draws
    /// the same samples.
    /// </summary>
    public (PromptItem Item, GroupRequest Request) TrainingGroup(long cursor)
    {
        var item = Dataset.Train(cursor);
        return (item, new GroupRequest(
            new GroupId(cursor), Encode(item), [.. Enumerable.Repeat(Sampling, Train.NumGenerations)]));
    }

    /// <summary>The groups of a training step, from the prompt at the cursor on.</summary>
    internal RoundPlan StepPlan(long cursor)
    {
        var sampling = Train.DynamicSampling;
        var most = (long)Train.PromptsPerStep * (sampling.Enabled ? sampling.MaxGenerationBatches : 1);
        var plan = new RoundPlan(Draws());
        return sampling.Enabled ? plan with { Wanted = Train.PromptsPerStep, Keeps = HasSignal } : plan;

        IEnumerable<(PromptItem Item, GroupRequest Request)> Draws()
        {
            for (var i = 0L; i < most; i++)
                yield return TrainingGroup(cursor + i);
        }

        bool HasSignal(ScoredGroup group) => GroupSignal.Differs(group, sampling.Metric);
    }

    /// <summary>True when an evaluation follows this training step.</summary>
    public bool EvaluatesAfter(int step) =>
        EvalSets.Count > 0 && (step == Train.Steps || (Eval.Every > 0 && step % Eval.Every == 0));

    /// <summary>Encodes a prompt.</summary>
    /// <exception cref="InvalidDataException">The prompt has no tokens, or a character that the vocabulary lacks.</exception>
    public int[] Encode(PromptItem item)
    {
        try
        {
            var prompt = Tokenizer.Encode(item.Prompt);
            return prompt.Length > 0
                ? prompt
                : throw new InvalidDataException($"{item.Id}: the prompt has no tokens");
        }
        catch (ArgumentException fault)
        {
            throw new InvalidDataException($"{item.Id}: {fault.Message}", fault);
        }
    }
}
