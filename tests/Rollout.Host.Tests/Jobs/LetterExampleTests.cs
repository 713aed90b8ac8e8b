using Rollout.Host.Tests.Support;
using Xunit;

namespace Rollout.Host.Tests.Jobs;

/// <summary>docs/custom-reward.md's example as a user runs it.</summary>
public sealed class LetterExampleTests
{
    [Fact]
    public async Task A_reward_and_a_dataset_of_ones_own_train_a_model()
    {
        using var folder = new TemporaryFolder();
        var here = new DirectoryInfo(AppContext.BaseDirectory);
        var assembly = Path.Combine(here.Parent!.Parent!.FullName, "LetterReward", here.Name, "LetterReward.dll");

        await TrainRun.RunAsync(
            TestFiles.Repository("examples/LetterReward/letters.conf"),
            folder.At("run"),
            $$"""rewards=[{ type = LetterReward.LetterShare, assembly = "{{assembly}}", power = 1 }]""",
            "train.steps=25");

        var rewards = TrainRun.Lines(folder.At("run"), "metrics.jsonl")
            .Where(step => step.GetProperty("step").GetInt32() > 0)
            .Select(step => step.GetProperty("reward").GetDouble()).ToArray();
        Assert.Equal(25, rewards.Length);
        Assert.True(rewards[^5..].Average() > 2 * rewards[..5].Average(), string.Join(' ', rewards));
        foreach (var rollout in TrainRun.Lines(folder.At("run"), "rollouts.jsonl"))
        {
            var letter = rollout.GetProperty("prompt").GetString()![^1];
            var completion = rollout.GetProperty("text").GetString()!;
            Assert.Equal(
                completion.Count(character => character == letter) / 12.0, rollout.GetProperty("reward").GetDouble(), 1e-9);
        }
    }
}
