using Rollout.Actors.Settings;
using Xunit;

namespace Rollout.Actors.Tests.Settings;

public sealed class RunFingerprintTests
{
    [Fact]
    public void The_keys_that_may_change_exist_and_are_in_the_table_of_the_docs()
    {
        var page = File.ReadAllText(TestFiles.Repository("docs/resume.md"));
        foreach (var key in RunFingerprint.Changeable.Concat(RunFingerprint.Free))
        {
            Assert.Contains($"`{key}`", page, StringComparison.Ordinal);
            var (section, last) = key.Split('.') is [var outer, var inner] ? (outer, inner) : ("", key);
            var root = ConfigTree.Load().Rollout;
            Assert.Contains(last, (section.Length == 0 ? root : root.Section(section)).Keys);
        }
    }

    [Fact]
    public void Two_ways_to_write_a_value_are_one_and_what_decides_nothing_is_left_out()
    {
        var before = Of("sampling.top-p=1", "train.epsilon=0.2", "sampling.ignore-eos=on", "train.step-timeout=1m");

        var now = Of("sampling.top-p=1.0", "train.epsilon=2e-1", "sampling.ignore-eos=true", "train.step-timeout=2m",
            "decoder.max-num-seqs=3", "output.keep-last=4");

        Assert.Equal(before, now);
    }

    [Fact]
    public void The_steps_of_a_run_matter_only_where_the_learning_rate_falls_towards_the_last()
    {
        Assert.Equal(Of("train.steps=5"), Of("train.steps=6"));

        var (refused, allowed) = RunFingerprint.Differences(
            Of("train.steps=5", "train.lr-schedule=linear"), Of("train.steps=6", "train.lr-schedule=linear"));

        Assert.Empty(refused);
        Assert.Equal(["rollout.train.steps was 5 and is 6"], allowed);
    }

    [Fact]
    public void A_supervised_run_has_its_own_settings_and_none_of_training()
    {
        var before = OfSft("sft.batch-size=4", "sft.learning-rate=1e-3");

        Assert.Equal(before, OfSft(
            "sft.batch-size=4", "sft.learning-rate=0.001", "train.epsilon=0.3", "sampling.top-k=3", "sft.eval-every=5"));
        var (refused, allowed) = RunFingerprint.Differences(before, OfSft("sft.batch-size=5", "sft.learning-rate=1e-4"));
        Assert.Equal(["rollout.sft.batch-size was 4 and is 5"], refused);
        Assert.Equal(["rollout.sft.learning-rate was 0.001 and is 0.0001"], allowed);
    }

    [Fact]
    public void The_epochs_of_a_supervised_run_matter_only_where_its_rate_falls()
    {
        Assert.Equal(
            OfSft("sft.lr-schedule=constant", "sft.epochs=1"), OfSft("sft.lr-schedule=constant", "sft.epochs=2", "sft.steps=9"));
        Assert.NotEqual(OfSft("sft.epochs=1"), OfSft("sft.epochs=2"));
    }

    [Fact]
    public void A_reward_is_compared_with_the_content_of_its_file()
    {
        using var folder = new TemporaryFolder();
        var file = folder.At("judge.py");
        var setting = $$"""rewards=[{ type = python, file = "{{file}}", function = f }]""";
        File.WriteAllText(file, "a");
        var before = Of(setting);
        File.WriteAllText(file, "b");

        Assert.Equal(["the content of rollout.rewards differs"], RunFingerprint.Differences(before, Of(setting)).Refused);
    }

    [Fact]
    public void A_run_may_go_on_with_another_evaluation_and_says_so()
    {
        using var folder = new TemporaryFolder();
        var file = folder.Write("hard.jsonl", "a");
        var sets = $$"""eval.sets=[{ type = jsonl, held-out = "{{file}}" }]""";
        var before = Of(sets);
        File.WriteAllText(file, "b");

        var (refused, allowed) = RunFingerprint.Differences(before, Of(sets, "eval.samples=4", "eval.pass-at=[1]"));

        Assert.Empty(refused);
        Assert.Equal(
            [
                "rollout.eval.pass-at was [] and is [1]", "rollout.eval.samples was 0 and is 4",
                "the content of rollout.eval.sets differs",
            ],
            allowed);
    }

    private static IReadOnlyDictionary<string, string> OfSft(params string[] settings) =>
        RunFingerprint.OfSft(ConfigTree.Load(overrides: settings), "model", threads: 2);

    private static IReadOnlyDictionary<string, string> Of(params string[] settings) =>
        RunFingerprint.Of(ConfigTree.Load(overrides: settings), "model", threads: 2);
}
