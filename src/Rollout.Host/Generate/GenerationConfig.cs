using System.Text.Json;
using Rollout.Gpu.Contracts;
using Rollout.Host.Engine;

namespace Rollout.Host.Generate;

/// <summary>
/// The sampling values of a model's generation_config.json, which hold where the command line names none, as in vLLM.
/// Its other values are not used; <c>do_sample</c> is not either, as in vLLM.
/// </summary>
internal static class GenerationConfig
{
    private const string Name = "generation_config.json";

    /// <summary>The keys that count, each with the setting that it is a value of.</summary>
    private static readonly (string Key, string Setting)[] Keys =
    [
        ("temperature", "sampling.temperature"), ("top_k", "sampling.top-k"), ("top_p", "sampling.top-p"),
        ("min_p", "sampling.min-p"),
    ];

    /// <summary>Adds a model's values; those that are added later win.</summary>
    /// <param name="overrides">Where the values go.</param>
    /// <param name="folder">The model's folder.</param>
    /// <returns>What was added, such as "temperature 0.6, top_k 20"; empty for nothing.</returns>
    /// <exception cref="CheckpointException">The file holds no JSON object, or one of the values is no number.</exception>
    public static string AddTo(EngineOverrides overrides, string folder)
    {
        var path = Path.Combine(folder, Name);
        if (!File.Exists(path))
            return "";
        List<string> said = [];
        using var file = Read(path);
        foreach (var (key, setting) in Keys)
        {
            if (!file.RootElement.TryGetProperty(key, out var value) || value.ValueKind == JsonValueKind.Null)
                continue;
            if (value.ValueKind != JsonValueKind.Number)
                throw new CheckpointException($"{path}: {key} is {value.GetRawText()}, expected a number.");
            overrides.Add(Name, setting, value.GetRawText());
            said.Add($"{key} {value.GetRawText()}");
        }
        return string.Join(", ", said);
    }

    private static JsonDocument Read(string path)
    {
        try
        {
            var file = JsonDocument.Parse(File.ReadAllBytes(path));
            return file.RootElement.ValueKind == JsonValueKind.Object ? file : throw new JsonException();
        }
        catch (JsonException)
        {
            throw new CheckpointException($"{path}: holds no JSON object.");
        }
    }
}
