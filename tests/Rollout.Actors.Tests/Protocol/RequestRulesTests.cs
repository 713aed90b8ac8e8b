using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Protocol;

/// <summary>Groups that no decoder could sample are refused with a sentence.</summary>
public sealed class RequestRulesTests
{
    private static readonly SamplingParams Good = new() { MaxTokens = 5, StopTexts = ["a"] };

    public static TheoryData<SamplingParams, string> Bad { get; } = new()
    {
        { Good with { MaxTokens = 0 }, "max-tokens is 0: it must be at least 1" },
        { Good with { Temperature = -0.5f }, "temperature is -0.5: it must be a finite number of at least 0" },
        { Good with { Temperature = float.NaN }, "temperature is NaN: it must be a finite number of at least 0" },
        { Good with { Temperature = float.PositiveInfinity }, "temperature is Infinity: it must be a finite number of at least 0" },
        { Good with { TopK = -1 }, "top-k is -1: it must be at least 0" },
        { Good with { TopP = 0 }, "top-p is 0: it must be above 0 and at most 1" },
        { Good with { TopP = 1.5f }, "top-p is 1.5: it must be above 0 and at most 1" },
        { Good with { TopP = float.NaN }, "top-p is NaN: it must be above 0 and at most 1" },
        { Good with { MinP = -0.1f }, "min-p is -0.1: it must be from 0 to 1" },
        { Good with { MinP = float.NaN }, "min-p is NaN: it must be from 0 to 1" },
        { Good with { StopTexts = ["a", ""] }, "a stop text is empty" },
    };

    [Fact]
    public void A_group_that_can_be_sampled_is_not_refused() =>
        Assert.Null(RequestRules.WhyRefused(Group([0, 9], Good, Good with { Temperature = 0, TopK = 3, MinP = 1 }), 10));

    [Theory]
    [MemberData(nameof(Bad))]
    public void A_way_of_sampling_that_is_out_of_range_is_refused(SamplingParams sampling, string reason) =>
        Assert.Equal(reason, RequestRules.WhyRefused(Group([1], Good, sampling, Good)));

    [Theory]
    [InlineData(-1, null, "token 1 of the prompt is -1: token ids are at least 0")]
    [InlineData(-1, 10, "token 1 of the prompt is -1: token ids are at least 0")]
    [InlineData(10, 10, "token 1 of the prompt is 10: the model's vocabulary ends at 9")]
    [InlineData(int.MaxValue, 10, "token 1 of the prompt is 2147483647: the model's vocabulary ends at 9")]
    public void A_token_that_the_model_does_not_have_is_refused(int token, int? vocabulary, string reason) =>
        Assert.Equal(reason, RequestRules.WhyRefused(Group([9, token, 3], Good), vocabulary));

    [Fact]
    public void Nothing_to_sample_is_refused()
    {
        Assert.Equal("the prompt has no tokens", RequestRules.WhyRefused(Group([], Good)));
        Assert.Equal("the group has no samples", RequestRules.WhyRefused(Group([1])));
    }

    private static GroupRequest Group(int[] prompt, params SamplingParams[] samples) => new(new GroupId(1), prompt, samples);
}
