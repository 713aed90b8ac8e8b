using FsCheck.Fluent;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Protocol;

public sealed class SampledTokensTests
{
    [Fact]
    public void A_slice_counts_its_versions_from_its_own_first_token()
    {
        var sampled = Of(0, 0, 1, 1, 1, 2);

        var slice = sampled.Slice(3, 3);

        Assert.Equal([3, 4, 5], slice.Tokens);
        Assert.Equal([-3f, -4f, -5f], slice.Logprobs);
        Assert.Equal([new VersionSpan(Run(1), 0), new VersionSpan(Run(2), 2)], slice.Versions);
        Assert.Empty(sampled.Slice(3, 0).Versions);
    }

    [Fact]
    public void Slices_appended_in_order_give_back_the_whole() =>
        Prop.ForAll<byte[], byte[], bool>((policies, cuts, filtered) =>
        {
            var whole = Of([.. policies.Select(policy => policy % 3)]);
            if (filtered && whole.Count > 0)
                whole = whole with { SamplingLogprobs = [.. whole.Logprobs.Select(logprob => logprob / 2)] };
            var rebuilt = new SampledTokensBuilder(prompt: [7, 8]);
            foreach (var cut in cuts.Select(cut => cut % (whole.Count + 1)).Append(whole.Count).Order())
                rebuilt.Append(whole.Slice(rebuilt.Count, cut - rebuilt.Count));
            return AreEqual(whole, rebuilt.ToSampledTokens())
                && rebuilt.PromptAndSampled.Span.SequenceEqual([7, 8, .. whole.Tokens]);
        }).Holds();

    [Fact]
    public void What_came_without_a_second_log_probability_has_the_same_twice()
    {
        var builder = new SampledTokensBuilder();
        builder.Append(5, -3, Run(1));
        Assert.Null(builder.ToSampledTokens().SamplingLogprobs);

        builder.Append(6, -4, Run(1), samplingLogprob: -1);
        builder.Append(new SampledTokens([7, 8], [-5, -6], [], [-2, -2.5f]), from: 1);
        builder.Append(Of(0));

        Assert.Equal([-3, -4, -6, 0], builder.ToSampledTokens().Logprobs);
        Assert.Equal([-3, -1, -2.5f, 0], builder.ToSampledTokens().SamplingLogprobs!);
    }

    [Fact]
    public void Appending_from_a_token_on_leaves_out_the_ones_before_it()
    {
        var whole = Of(0, 1, 1, 2, 2);
        var builder = new SampledTokensBuilder();
        builder.Append(whole.Slice(0, 3));

        builder.Append(whole.Slice(1, 4), from: 2);

        Assert.True(AreEqual(whole, builder.ToSampledTokens()));
    }

    [Fact]
    public void Spans_that_make_no_sense_are_kept_and_never_throw()
    {
        var odd = new SampledTokens([1, 2], [0, 0], [new(Run(1), 9), new(Run(2), -4)]);
        var builder = new SampledTokensBuilder();

        builder.Append(odd);
        builder.Append(new SampledTokens([3], [0], []));

        Assert.Equal([1, 2, 3], builder.ToSampledTokens().Tokens);
    }

    /// <summary>Tokens 0, 1, 2, … sampled by these runs.</summary>
    private static SampledTokens Of(params int[] runs)
    {
        var builder = new SampledTokensBuilder();
        for (var i = 0; i < runs.Length; i++)
            builder.Append(i, -i, Run(runs[i]));
        return builder.ToSampledTokens();
    }

    private static Policy Run(long run) => new(run, default);

    private static bool AreEqual(SampledTokens one, SampledTokens other) =>
        one.Tokens.SequenceEqual(other.Tokens)
        && one.Logprobs.SequenceEqual(other.Logprobs)
        && (one.SamplingLogprobs ?? one.Logprobs).SequenceEqual(other.SamplingLogprobs ?? other.Logprobs)
        && one.SamplingLogprobs is null == other.SamplingLogprobs is null
        && one.Versions.SequenceEqual(other.Versions);
}
