using Rollout.Actors.Data;
using Rollout.Actors.Settings;
using Rollout.Actors.Text;

namespace Rollout.Host.Engine;

/// <summary>Creates the datasets that the settings name.</summary>
internal static class Datasets
{
    /// <param name="settings">The section <c>data</c>, the seed, and the model whose chat format is used.</param>
    /// <param name="promptsPerStep">Prompts of a training step, in which a curriculum is counted.</param>
    /// <param name="cancellation">Ends the check of files.</param>
    /// <exception cref="ConfigurationException">With these values a dataset has no problem to train on.</exception>
    /// <exception cref="InvalidDataException">A file is missing, or one of its lines is wrong.</exception>
    public static PromptMix Create(RolloutSettings settings, int promptsPerStep, CancellationToken cancellation = default)
    {
        var (data, seed) = (settings.Data, (long)settings.Seed);
        var source = SourceOf(settings, cancellation);
        try
        {
            return new PromptMix(
                [.. data.Datasets.Select(share => new MixPart(share.Name, share.Weight, source(share.Dataset)))],
                seed,
                data.Curriculum is { } curriculum
                    ? new Curriculum(curriculum.Field, (long)curriculum.UntilStep * promptsPerStep)
                    : null);
        }
        catch (ArgumentException fault)
        {
            throw new ConfigurationException($"rollout.data: {fault.Message}");
        }
    }

    /// <summary>The sets of eval.sets.</summary>
    /// <exception cref="ConfigurationException">A set has no prompt.</exception>
    /// <exception cref="InvalidDataException">A file is missing, or one of its lines is wrong.</exception>
    public static IReadOnlyList<EvalSet> ToEvaluate(RolloutSettings settings, CancellationToken cancellation = default)
    {
        var source = SourceOf(settings, cancellation);
        return [.. settings.Eval.Sets.Select(ToSet)];

        EvalSet ToSet(EvalSetSettings set, int number)
        {
            try
            {
                return source(set.Dataset).HeldOut is { Count: > 0 } prompts
                    ? new EvalSet(set.Name, prompts)
                    : throw new ArgumentException($"{set.Name} holds out no prompt");
            }
            catch (ArgumentException fault)
            {
                throw new ConfigurationException($"rollout.eval.sets[{number}]: {fault.Message}");
            }
        }
    }

    private static Func<DatasetSettings, IPromptSource> SourceOf(RolloutSettings settings, CancellationToken cancellation)
    {
        var seed = (long)settings.Seed;
        var chat = new Lazy<ChatTemplate>(() => ChatTemplate.Load(settings.Model.Path));
        return dataset => dataset switch
        {
            ArithmeticSettings arithmetic => new ArithmeticDataset(arithmetic.MaxOperand, arithmetic.HeldOut),
            KeywordSettings keyword => new KeywordDataset(keyword.Prompts, keyword.Alphabet, seed),
            CountdownSettings countdown => new CountdownDataset(countdown, seed),
            FileSettings file => new FileDataset(file, messages => chat.Value.Format(messages), cancellation),
            _ => throw new ArgumentException($"{dataset} has no dataset"),
        };
    }
}
