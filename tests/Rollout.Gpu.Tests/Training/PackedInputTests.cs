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

        Assert.Equal((5, 4, 2, 4), (input.TokenCount, input.TargetCount, input.SequenceCount, input.Longest));
        Assert.Equal([7, 8, 9, 7, 4], Read(input.Tokens, 5));
        Assert.Equal([0, 1, 2, 3, 0], Read(input.Positions, 5));
        Assert.Equal([0, 1, 2, 3, 4], Read(input.Slots, 5));
        Assert.Equal([0, 4, 5], input.StartsOnHost);
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

    private static int[] Read(nint from, int count)
    {
        var numbers = new int[count];
        Marshal.Copy(from, numbers, 0, count);
        return numbers;
    }
}
