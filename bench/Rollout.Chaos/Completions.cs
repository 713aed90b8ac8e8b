using System.Text.Json;

namespace Rollout.Chaos;

/// <summary>What a run wrote, against what one undisturbed process wrote.</summary>
/// <param name="Groups">That are there with all their samples.</param>
/// <param name="Fault">The first thing that is wrong; null when nothing is.</param>
/// <param name="Tokens">Sampled.</param>
internal sealed record Completions(int Groups, string? Fault, long Tokens)
{
    /// <summary>
    /// Log-probabilities may differ by this much: on some processors the rounding of a product depends on the batch that a
    /// sequence is computed with, and the batches of two runs differ.
    /// </summary>
    private const float LargestDifference = 1e-4f;

    /// <summary>Reads both files, which are in the order of the prompts.</summary>
    public static Completions Compare(string reference, string output)
    {
        if (!File.Exists(output))
            return new Completions(0, "there is no output", 0);
        var expected = Read(reference);
        var actual = Read(output);
        var twice = actual.GroupBy(line => (line.Id, line.Sample)).FirstOrDefault(lines => lines.Count() > 1)?.Key;
        if (twice is not null)
            return new Completions(0, $"{twice} is there twice", 0);
        var found = actual.ToDictionary(line => (line.Id, line.Sample));
        var (tokens, incomplete) = (0L, new HashSet<string>());
        string? fault = null;
        foreach (var line in expected)
        {
            if (!found.TryGetValue((line.Id, line.Sample), out var other))
            {
                fault ??= $"{line.Id} lacks sample {line.Sample}";
                incomplete.Add(line.Id);
                continue;
            }
            tokens += other.Tokens.Length;
            if (!line.Tokens.SequenceEqual(other.Tokens) || line.Reason != other.Reason)
                fault ??= $"{line.Id} sample {line.Sample} has other tokens from position {FirstDifference(line, other)} on";
            else if (Difference(line, other) is var difference && !(difference <= LargestDifference))
                fault ??= $"{line.Id} sample {line.Sample} has the same tokens, and log-probabilities that differ by {difference:G2}";
        }
        if (actual.Length > expected.Length)
            fault ??= $"there are {actual.Length - expected.Length} samples that nobody asked for";
        return new Completions(expected.Select(line => line.Id).Distinct().Count() - incomplete.Count, fault, tokens);
    }

    private static int FirstDifference(Line one, Line other) =>
        one.Tokens.Zip(other.Tokens).TakeWhile(pair => pair.First == pair.Second).Count();

    // NaN where one has more log-probabilities than the other.
    private static float Difference(Line one, Line other) =>
        one.Logprobs.Length != other.Logprobs.Length
            ? float.NaN
            : one.Logprobs.Zip(other.Logprobs, (a, b) => MathF.Abs(a - b)).DefaultIfEmpty().Max();

    private static Line[] Read(string path) => [.. File.ReadLines(path).Select(text =>
    {
        using var json = JsonDocument.Parse(text);
        var line = json.RootElement;
        return new Line(
            line.GetProperty("id").GetString()!,
            line.GetProperty("sample").GetInt32(),
            [.. line.GetProperty("token_ids").EnumerateArray().Select(token => token.GetInt32())],
            [.. line.GetProperty("logprobs").EnumerateArray().Select(logprob => logprob.GetSingle())],
            line.GetProperty("finish_reason").GetString()!);
    })];

    private sealed record Line(string Id, int Sample, int[] Tokens, float[] Logprobs, string Reason);
}
