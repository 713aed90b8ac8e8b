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
        var chat = new Lazy<ChatTemplate>(() => ChatTemplate.Load(settings.Model.Path));
        try
        {
            return new PromptMix(
                [.. data.Datasets.Select(share => new MixPart(share.Name, share.Weight, Source(share.Dataset)))],
                seed,
                data.Curriculum is { } curriculum
                    ? new Curriculum(curriculum.Field, (long)curriculum.UntilStep * promptsPerStep)
                    : null);
        }
        catch (ArgumentException fault)
        {
            throw new ConfigurationException($"rollout.data: {fault.Message}");
        }

        IPromptSource Source(DatasetSettings dataset) => dataset switch
        {
            ArithmeticSettings arithmetic => new ArithmeticDataset(arithmetic.MaxOperand, arithmetic.HeldOut),
            KeywordSettings keyword => new KeywordDataset(keyword.Prompts, keyword.Alphabet, seed),
            CountdownSettings countdown => new CountdownDataset(countdown, seed),
            FileSettings file => new FileDataset(file, messages => chat.Value.Format(messages), cancellation),
            _ => throw new ArgumentException($"{dataset} has no dataset"),
        };
    }
}
