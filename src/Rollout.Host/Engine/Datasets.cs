using Rollout.Actors.Data;
using Rollout.Actors.Settings;
using Rollout.Actors.Text;

namespace Rollout.Host.Engine;

/// <summary>Creates the dataset that the settings name.</summary>
internal static class Datasets
{
    /// <exception cref="ConfigurationException">With these values the dataset has no problem to train on.</exception>
    /// <exception cref="InvalidDataException">A file is missing, or one of its lines is wrong.</exception>
    public static IPromptDataset Create(RolloutSettings settings, CancellationToken cancellation = default)
    {
        var (data, seed) = (settings.Data, (long)settings.Seed);
        try
        {
            return data.Type switch
            {
                DatasetType.Arithmetic =>
                    new ArithmeticDataset(data.Arithmetic.MaxOperand, data.Arithmetic.HeldOut, seed),
                DatasetType.Keyword => new KeywordDataset(data.Keyword.Prompts, data.Keyword.Alphabet, seed),
                _ => CreateJsonl(data.Jsonl, settings.Model.Path, seed, cancellation),
            };
        }
        catch (ArgumentException fault)
        {
            throw new ConfigurationException($"rollout.data: {fault.Message}");
        }
    }

    private static JsonlDataset CreateJsonl(
        JsonlSettings jsonl, string modelFolder, long seed, CancellationToken cancellation)
    {
        var chat = new Lazy<ChatTemplate>(() => ChatTemplate.Load(modelFolder));
        return new JsonlDataset(jsonl, seed, messages => chat.Value.Format(messages), cancellation);
    }
}
