using Rollout.Host.Output;
using Xunit;

namespace Rollout.Host.Tests.Output;

public sealed class RolloutsWriterTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void Samples_are_written_with_their_text_as_it_is()
    {
        var run = RunFolder.Create(_folder.Path);
        using (var rollouts = RolloutsWriter.Create(run))
        {
            rollouts.Write(Sample(1));
            rollouts.Write(Sample(2) with { SamplingLogprobs = [-0.25f, 0] });
        }

        Assert.Equal(
            """
            {"step":1,"group":9,"sample":0,"policy_version":0,"prompt":"2+2=","text":"4 – \"ü\"\n",
            "token_ids":[4,0],"logprobs":[-0.5,-1],"finish_reason":"stop","reward":1,"rewards":{"exact-answer":1,"format":null}}
            """.ReplaceLineEndings(""),
            File.ReadAllLines(run.Rollouts)[0]);
        Assert.Contains("""
            "logprobs":[-0.5,-1],"sampling_logprobs":[-0.25,0],
            """, File.ReadAllLines(run.Rollouts)[1], StringComparison.Ordinal);
    }

    [Fact]
    public void Samples_of_steps_that_are_done_again_are_dropped()
    {
        var run = RunFolder.Create(_folder.Path);
        using (var rollouts = RolloutsWriter.Create(run))
        {
            rollouts.Write(Sample(1));
            rollouts.Write(Sample(2));
        }

        RolloutsWriter.Resume(run, lastStep: 1).Dispose();

        Assert.Single(File.ReadAllLines(run.Rollouts));
    }

    public void Dispose() => _folder.Dispose();

    private static RolloutLine Sample(int step) => new()
    {
        Step = step,
        Group = 9,
        Sample = 0,
        PolicyVersion = 0,
        Prompt = "2+2=",
        Text = "4 – \"ü\"\n",
        TokenIds = [4, 0],
        Logprobs = [-0.5f, -1],
        FinishReason = "stop",
        Reward = 1,
        Rewards = new() { ["exact-answer"] = 1, ["format"] = double.NaN },
    };
}
