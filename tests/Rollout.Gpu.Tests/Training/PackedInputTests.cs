using System.Runtime.InteropServices;
using Rollout.Gpu.Training;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Training;

public sealed class PackedInputTests
{
    [Fact]
    public void Sequences_follow_one_another_without_padding()
    {
        using var input = new PackedInput([new([7, 8], [9, 7, 5]), new([4], [6])], CPU);

        Assert.Equal((5, 4), (input.TokenCount, input.TargetCount));
        Assert.Equal([7, 8, 9, 7, 4], Read(input.Tokens, 5));
        Assert.Equal([0, 1, 2, 3, 0], Read(input.Positions, 5));
        Assert.Equal([0, 1, 2, 3, 4], Read(input.Slots, 5));
        Assert.Equal([0, 4, 5], input.Starts.data<int>().ToArray());
        Assert.Equal([1, 2, 3, 4], Read(input.Sources, 4));
        Assert.Equal([9, 7, 5, 6], Read(input.Targets, 4));
    }

    [Fact]
    public void Every_gradient_has_one_owner()
    {
        using var input = new PackedInput([new([7, 8], [9, 7, 5]), new([4], [6])], CPU);

        Assert.Equal([0, 1, 2, 3], Read(input.SourceOrder, 4));
        Assert.Equal([0, 0, 1, 2, 3, 4], Read(input.SourceStart, 6));
        Assert.Equal(4, input.DistinctTokens);
        Assert.Equal([7, 8, 9, 4], Read(input.TokenIds, 4));
        Assert.Equal([0, 3, 1, 2, 4], Read(input.TokenOrder, 5));
        Assert.Equal([0, 2, 3, 4, 5], Read(input.TokenStart, 5));
    }

    [Fact]
    public void A_prompt_that_sequences_share_is_there_once_and_predicts_the_first_token_of_each()
    {
        int[] prompt = [.. Enumerable.Range(0, 64)];
        using var input = new PackedInput([new(prompt, [9, 7, 5]), new([4], [6]), new(prompt, [8]), new(prompt, [3, 2])], CPU);

        var layout = input.Layout;
        Assert.Equal([.. prompt, 9, 7, 3, 4], layout.Tokens);
        Assert.Equal([.. prompt, 64, 65, 64, 0], layout.Positions);
        Assert.Equal([0, 64, 66, 67, 68], layout.Starts);
        Assert.Equal([-1, 1, 1, -1], layout.PartOf);
        Assert.Equal([63, 64, 65, 67, 63, 63, 66], layout.Sources);
        Assert.Equal([0, 64, 67, 67, 68, 68], layout.QueryStarts); // prompt, own of the prompt's, none; alone, none
        Assert.Equal([0, 0, 64, 67, 67, 68], layout.KeyStarts);
        Assert.True(layout.IsShared);
        Assert.Equal([9, 7, 5, 6, 8, 3, 2], Read(input.Targets, 7));
        Assert.Equal([0, 4, 5, 1, 2, 6, 3], Read(input.SourceOrder, 7));
        Assert.Equal([0, 3, 4, 5, 6, 7], Read(input.SourceStart, 69)[63..]);
    }

    private static int[] Read(nint from, int count)
    {
        var numbers = new int[count];
        Marshal.Copy(from, numbers, 0, count);
        return numbers;
    }
}
