using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Host.Tracking;

/// <summary>Shows what a step's policy writes: the best and the worst sample of one group, in Markdown.</summary>
internal static class SampleText
{
    public const string Name = "samples";

    private const int MaxLength = 4000;

    /// <summary>The text of the first group whose rewards differ, or of the first; null where there is none.</summary>
    public static string? Of(TrainingStepFinished step)
    {
        var shown = step.Groups.FirstOrDefault(group => group.Rewards.Distinct().Count() > 1)
            ?? step.Groups.FirstOrDefault(group => group.Rewards.Length > 0);
        if (shown is null)
            return null;
        int[] samples = [.. Enumerable.Range(0, shown.Rewards.Length).OrderByDescending(i => shown.Rewards[i])];
        return string.Join("\n\n", samples.Take(1).Union(samples.TakeLast(1)).Select(i => Sample(shown, i))
            .Prepend($"**{shown.Item.Id}**\n\n{Code(shown.Item.Prompt)}"));
    }

    private static string Sample(ScoredGroup group, int sample)
    {
        var completion = group.Group.Completions[sample];
        return $"**reward {group.Rewards[sample]:0.###}**, {completion.Tokens.Length} tokens, ended by "
            + $"{completion.Reason.ToWord()}\n\n{Code(group.Texts[sample])}";
    }

    /// <summary>A block of code, in which nothing is Markdown or HTML.</summary>
    private static string Code(string text)
    {
        var shown = text.Length > MaxLength ? $"{text[..MaxLength]} …" : text;
        return string.Join('\n', shown.ReplaceLineEndings("\n").Split('\n').Select(line => $"    {line}"));
    }
}
