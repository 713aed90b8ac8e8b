using Rollout.Host.Output;
using Xunit;

namespace Rollout.Host.Tests.Output;

public sealed class RunFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void A_new_run_gets_its_folder_with_nothing_in_it_yet()
    {
        var run = RunFolder.Create(_folder.At("a/b"));

        Assert.Empty(Directory.EnumerateFileSystemEntries(run.Path));
        Assert.Equal(Path.Combine(run.Path, "checkpoints", "step-7"), run.Checkpoint(7));
    }

    [Theory]
    [InlineData("metrics.jsonl")]
    [InlineData("checkpoints/step-1/model.safetensors")]
    public void A_folder_that_holds_a_run_is_refused_and_left_as_it_is(string held)
    {
        var file = _folder.At(held);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, "kept");

        var error = Assert.Throws<OutputException>(() => RunFolder.Create(_folder.Path));

        Assert.Equal(
            $"'{_folder.Path}' already holds a run: choose another --out, or continue it with --resume '{_folder.Path}'.",
            error.Message);
        Assert.Equal("kept", File.ReadAllText(file));
        Assert.Single(Directory.EnumerateFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void A_run_is_resumed_in_its_folder_and_an_empty_folder_is_not()
    {
        Assert.Throws<OutputException>(() => RunFolder.Resume(_folder.Path));
        File.WriteAllText(_folder.At("metrics.jsonl"), "{}");

        Assert.Equal(_folder.Path, RunFolder.Resume(_folder.Path).Path);
    }

    [Fact]
    public void A_run_is_one_process_at_a_time_and_leaves_no_lock()
    {
        using (RunFolder.Hold(_folder.Path))
        {
            var refused = Assert.Throws<OutputException>(() => RunFolder.Hold(_folder.Path));
            Assert.Equal($"Another process trains in '{_folder.Path}': end it first, or choose another folder.", refused.Message);
        }

        RunFolder.Hold(_folder.Path).Dispose();
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void What_a_run_left_that_ended_before_its_first_step_is_no_run()
    {
        File.WriteAllText(_folder.At("metrics.jsonl"), "");
        File.WriteAllText(_folder.At("rollouts.jsonl"), "");

        Assert.Equal(_folder.Path, RunFolder.Create(_folder.Path).Path);
    }

    [Fact]
    public void A_run_that_was_only_evaluated_before_its_first_step_is_no_run()
    {
        File.WriteAllText(_folder.At("metrics.jsonl"), """{"step":0,"eval_accuracy":0.5}""" + "\n");
        Assert.Equal(_folder.Path, RunFolder.Create(_folder.Path).Path);

        File.AppendAllText(_folder.At("metrics.jsonl"), """{"step":1,"reward":0.5}""" + "\n");
        Assert.Throws<OutputException>(() => RunFolder.Create(_folder.Path));
    }

    [Fact]
    public void A_file_in_the_folders_place_is_named()
    {
        var file = _folder.At("file");
        File.WriteAllText(file, "");

        var error = Assert.Throws<OutputException>(() => RunFolder.Create(file));

        Assert.Equal($"'{file}' is a file: the run's output needs a folder.", error.Message);
    }

    [Fact]
    public void A_folder_that_cannot_be_made_is_named()
    {
        File.WriteAllText(_folder.At("file"), "");

        var error = Assert.Throws<OutputException>(() => RunFolder.Create(_folder.At("file/run")));

        Assert.Contains("file/run' cannot be written: ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_without_a_name_takes_the_first_free_number()
    {
        Assert.Equal(_folder.At("sum-1"), RunFolder.NextFree(_folder.Path, "sum"));
        Directory.CreateDirectory(_folder.At("sum-1"));

        Assert.Equal(_folder.At("sum-2"), RunFolder.NextFree(_folder.Path, "sum"));
    }

    public void Dispose() => _folder.Dispose();
}
