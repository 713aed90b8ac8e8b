using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Protocol;

/// <summary>
/// What a group must be like for a decoder to sample it. Clients check it before they submit a group, and the scheduler
/// before it accepts one, so that no decoder ever sees bad input. The scheduler checks reports of decoders by it too.
/// </summary>
internal static class RequestRules
{
    /// <summary>Why no decoder can sample a group, in a sentence; null if one can.</summary>
    /// <param name="group">The request.</param>
    /// <param name="vocabulary">The decoders' token ids are less than this; null if it is unknown.</param>
    public static string? WhyRefused(GroupRequest group, int? vocabulary = null)
    {
        if (group.Prompt.Length == 0)
            return "the prompt has no tokens";
        if (group.Samples.Length == 0)
            return "the group has no samples";
        if (WhyNoTokens(group.Prompt, vocabulary) is { } reason)
            return reason;
        SamplingParams? before = null;
        foreach (var sampling in group.Samples)
        {
            // Samples mostly share one instance.
            if (!ReferenceEquals(sampling, before) && WhyRefused(sampling) is { } rule)
                return rule;
            before = sampling;
        }
        return null;
    }

    /// <summary>Why an entry of a report can't be right, in a sentence; null if it can.</summary>
    /// <param name="progress">The entry.</param>
    /// <param name="request">Its group; null where no client has submitted it yet.</param>
    public static string? WhyWrong(SampleProgress progress, GroupRequest? request)
    {
        var (sample, end) = (progress.Sample, (long)progress.Start + progress.Sampled.Count);
        return sample < 0 || progress.Start < 0 ? $"it reported sample {sample} of {progress.Group} from token {progress.Start} on"
            : request is null ? null
            : sample >= request.Samples.Length
                ? $"it reported sample {sample} of {progress.Group}, which has {request.Samples.Length}"
            : end > request.Samples[sample].MaxTokens
                ? $"it reported {end} tokens of a sample of {progress.Group}, which has {request.Samples[sample].MaxTokens} at most"
            : null;
    }

    private static string? WhyNoTokens(int[] prompt, int? vocabulary)
    {
        var bad = prompt.AsSpan().IndexOfAnyExceptInRange(0, (vocabulary ?? int.MaxValue) - 1);
        return bad < 0 ? null
            : prompt[bad] < 0 ? $"token {bad} of the prompt is {prompt[bad]}: token ids are at least 0"
            : $"token {bad} of the prompt is {prompt[bad]}: the model's vocabulary ends at {vocabulary - 1}";
    }

    private static string? WhyRefused(SamplingParams sampling) => sampling switch
    {
        { MaxTokens: < 1 } => $"max-tokens is {sampling.MaxTokens}: it must be at least 1",
        { Temperature: not (>= 0 and < float.PositiveInfinity) } =>
            $"temperature is {sampling.Temperature}: it must be a finite number of at least 0",
        { TopK: < 0 } => $"top-k is {sampling.TopK}: it must be at least 0",
        { TopP: not (> 0 and <= 1) } => $"top-p is {sampling.TopP}: it must be above 0 and at most 1",
        { MinP: not (>= 0 and <= 1) } => $"min-p is {sampling.MinP}: it must be from 0 to 1",
        _ when Array.Exists(sampling.StopTexts, string.IsNullOrEmpty) => "a stop text is empty",
        _ => null,
    };
}
