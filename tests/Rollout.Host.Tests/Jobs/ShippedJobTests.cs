using Rollout.Actors.Settings;
using Rollout.Host.Tests.Support;
using Xunit;

namespace Rollout.Host.Tests.Jobs;

/// <summary>The training jobs of the repository, as they are.</summary>
public sealed class ShippedJobTests
{
    /// <summary>One that is asked to stop saves first; one that is killed has the last checkpoint.</summary>
    [Theory]
    [InlineData("arithmetic.conf")]
    [InlineData("keyword.conf")]
    [InlineData("gsm8k.conf")]
    [InlineData("countdown.conf")]
    [InlineData("cluster/trainer.conf")]
    public void A_run_that_is_killed_loses_an_eighth_of_its_steps_at_most(string job)
    {
        var settings = RolloutSettings.From(ConfigTree.Load(RolloutRun.Job(job), ["data.type=arithmetic"]));

        Assert.InRange(settings.Output.CheckpointEvery, 1, settings.Train.Steps / 8);
    }
}
