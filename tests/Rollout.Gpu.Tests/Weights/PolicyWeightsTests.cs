using Rollout.Gpu.Contracts;
using Rollout.Gpu.Tests.Support;
using Rollout.Gpu.Weights;
using Xunit;

namespace Rollout.Gpu.Tests.Weights;

public sealed class PolicyWeightsTests
{
    [Fact]
    public void Versions_only_go_forward()
    {
        using var weights = new PolicyWeights(TinyModels.Random(TinyModels.Llama), new PolicyVersion(3));
        weights.Publish(new PolicyVersion(4));
        weights.Publish(new PolicyVersion(9));
        Assert.Equal(new PolicyVersion(9), weights.Version);

        foreach (var past in (int[])[9, 8, 3])
        {
            var error =
                Assert.Throws<ArgumentOutOfRangeException>(() => weights.Publish(new PolicyVersion(past)));
            Assert.Contains($"policy {past} can't be published after policy 9", error.Message,
                StringComparison.Ordinal);
        }

        Assert.Equal(new PolicyVersion(9), weights.Version);
    }
}
