using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Sampling;
using Xunit;

namespace Rollout.Actors.Tests.Support;

/// <summary>Groups for tests, and what <see cref="FakeModelRunner"/> makes of them.</summary>
public static class Groups
{
    public static GroupRequest Of(long id, int promptLength, params int[] maxTokens) => new(
        new GroupId(id),
        [.. Enumerable.Range(0, promptLength).Select(i => (int)((id * 31 + i * 7) % 1000))],
        [
            .. maxTokens.Select(max => new SamplingParams
            {
                MaxTokens = max,
                Seed = 7,
                StopTokenIds = [13],
                TopK = id % 3 == 2 ? 50 : 0,
            }),
        ]);

    /// <inheritdoc cref="SamplingRng.SequenceKey"/>
    public static ulong Key(ulong seed, SequenceId sequence) => SamplingRng.SequenceKey(seed, sequence);

    /// <summary>The completion by plain recomputation from the whole sequence, under one policy.</summary>
    public static int[] Expected(
        GroupRequest group, int sample, Func<ulong, SequenceId, ulong>? key = null, PolicyVersion version = default)
    {
        var sampling = group.Samples[sample];
        var sequenceKey = (key ?? Key)(sampling.Seed, new SequenceId(group.Id, sample));
        var tokens = new List<int>(group.Prompt);
        do
            tokens.Add(FakeModelRunner.Next(tokens.ToArray(), sequenceKey, version));
        while (!sampling.StopTokenIds.Contains(tokens[^1]) && tokens.Count < group.Prompt.Length + sampling.MaxTokens);
        return tokens.Skip(group.Prompt.Length).ToArray();
    }

    public static void AssertExpected(
        GroupRequest group,
        Completion[] completions,
        Func<ulong, SequenceId, ulong>? key = null,
        PolicyVersion version = default)
    {
        Assert.Equal(group.Samples.Length, completions.Length);
        for (var i = 0; i < completions.Length; i++)
        {
            Assert.Equal(i, completions[i].Sample);
            Assert.Equal(Expected(group, i, key, version), completions[i].Tokens);
            Assert.Equal(completions[i].Tokens.Select(token => -(float)token), completions[i].Logprobs);
            var kept = group.Samples[i].Filters ? completions[i].Logprobs.Select(logprob => logprob / 2) : null;
            Assert.Equal(kept, completions[i].SamplingLogprobs);
        }
    }

    /// <summary>Every token is what the policy that its completion names for it says after all tokens before it.</summary>
    public static void AssertSampledAsSaid(
        GroupRequest group, Completion completion, Func<ulong, SequenceId, ulong>? key = null)
    {
        var sequenceKey = (key ?? Key)(
            group.Samples[completion.Sample].Seed, new SequenceId(group.Id, completion.Sample));
        var tokens = group.Prompt.Concat(completion.Tokens).ToArray();
        Assert.Equal(0, completion.Sampled.Versions[0].Start);
        for (var i = 0; i < completion.Tokens.Length; i++)
        {
            var version = completion.Sampled.Versions.Last(span => span.Start <= i).Version;
            Assert.Equal(
                FakeModelRunner.Next(tokens.AsSpan(0, group.Prompt.Length + i), sequenceKey, version),
                completion.Tokens[i]);
        }
    }
}
