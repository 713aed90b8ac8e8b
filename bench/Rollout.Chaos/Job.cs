using System.Text.Json;

namespace Rollout.Chaos;

/// <summary>
/// The job of every run: a small model whose sequences may be longer than it was made for, and groups with samples of
/// very different lengths, so that decoders run dry at different times.
/// </summary>
internal sealed class Job
{
    private const int LongestSequence = 320;
    private const int FirstToken = 2;       // 0 and 1 end and pad sequences
    private const int Vocabulary = 16;

    private readonly int _samples;

    /// <param name="folder">Where the model and the prompts are put.</param>
    /// <param name="groups">Prompts.</param>
    /// <param name="samples">Of each prompt.</param>
    public Job(string folder, int groups, int samples)
    {
        _samples = samples;
        Model = Path.Combine(folder, "model");
        Prompts = Path.Combine(folder, "prompts.jsonl");
        Reference = Path.Combine(folder, "reference.jsonl");
        CopyModel(Path.Combine(AppContext.BaseDirectory, "models", "arithmetic"));
        var random = new Random(20);
        File.WriteAllLines(Prompts, Enumerable.Range(0, groups).Select(i => Line(random, i)));
    }

    public string Model { get; }

    public string Prompts { get; }

    /// <summary>What one process makes of it.</summary>
    public string Reference { get; }

    /// <summary>The arguments of rollout generate, but for the output and the cluster.</summary>
    public string[] Arguments =>
    [
        "generate", "--model", Model, "--prompts", Prompts, "--samples", $"{_samples}", "--seed", "11", "--ignore-eos",
    ];

    private string Line(Random random, int number)
    {
        var prompt = Enumerable.Range(0, random.Next(4, 40)).Select(_ => random.Next(FirstToken, Vocabulary));
        // Most are short and a few are long, as answers of reasoning models are.
        var lengths = Enumerable.Range(0, _samples)
            .Select(_ => random.Next(8) == 0 ? random.Next(80, 240) : random.Next(3, 40));
        return JsonSerializer.Serialize(new { id = $"g{number}", prompt_ids = prompt, max_tokens = lengths });
    }

    private void CopyModel(string source)
    {
        Directory.CreateDirectory(Model);
        foreach (var file in Directory.EnumerateFiles(source))
            File.Copy(file, Path.Combine(Model, Path.GetFileName(file)));
        var config = Path.Combine(Model, "config.json");
        File.WriteAllText(config, File.ReadAllText(config).Replace(
            "\"max_position_embeddings\": 64", $"\"max_position_embeddings\": {LongestSequence}",
            StringComparison.Ordinal));
    }
}
