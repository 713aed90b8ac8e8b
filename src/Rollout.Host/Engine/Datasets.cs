using Rollout.Actors.Data;
using Rollout.Actors.Rewards;
using Rollout.Actors.Settings;
using Rollout.Actors.Text;

namespace Rollout.Host.Engine;

/// <summary>Datasets and rewards by their settings.</summary>
public static class Datasets
{
    /// <exception cref="ConfigurationException">A value leaves no problem to train on.</exception>
    /// <exception cref="InvalidDataException">A file is missing or a line is wrong.</exception>
    public static IPromptDataset Create(RolloutSettings settings)
    {
        var (data, seed) = (settings.Data, (long)settings.Seed);
        try
        {
            return data.Type switch
            {
                DatasetType.Arithmetic =>
                    new ArithmeticDataset(data.Arithmetic.MaxOperand, data.Arithmetic.HeldOut, seed),
                DatasetType.Keyword => new KeywordDataset(data.Keyword.Prompts, data.Keyword.Alphabet, seed),
                _ => Jsonl(data.Jsonl, settings.Model.Path, seed),
            };
        }
        catch (ArgumentException fault)
        {
            throw new ConfigurationException($"rollout.data: {fault.Message}");
        }
    }
