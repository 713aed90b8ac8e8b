using Rollout.Gpu.Contracts;
using Rollout.Gpu.Training;
using Xunit;

namespace Rollout.Gpu.Tests.Training;

public sealed class CheckpointStoreTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("checkpoints").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void The_latest_checkpoint_is_the_one_of_most_steps_and_not_the_last_by_name()
    {
        var store = new CheckpointStore(_root);
        foreach (var step in (int[])[9, 100, 20])
            Write(store, step);

        Assert.True(store.TryLatest(out var folder));
        Assert.Equal(store.FolderOf(100), folder);
        Assert.Equal([9, 20, 100], store.Steps());
        Assert.Equal(100, CheckpointStore.ReadProgress(folder).Step);
    }

    [Fact]
    public void A_run_that_has_saved_nothing_has_no_latest_checkpoint()
    {
        Assert.False(new CheckpointStore(_root).TryLatest(out _));
        Assert.False(new CheckpointStore(Path.Combine(_root, "absent")).TryLatest(out _));
    }

    [Theory]
    [InlineData(".unfinished-step-3-abc", true)]
    [InlineData("step-3", false)]
    [InlineData(".replaced-step-3-abc", false)]
    public void Only_a_first_checkpoint_that_was_not_completed_is_none_at_all(string folder, bool neverHeldAny)
    {
        Assert.True(new CheckpointStore(_root).NeverHeldAny);
        Assert.True(new CheckpointStore(Path.Combine(_root, "absent")).NeverHeldAny);

        Directory.CreateDirectory(Path.Combine(_root, folder));

        Assert.Equal(neverHeldAny, new CheckpointStore(_root).NeverHeldAny);
    }

    [Fact]
    public void A_write_that_fails_leaves_neither_a_checkpoint_nor_its_parts()
    {
        var store = new CheckpointStore(_root);

        Assert.Throws<IOException>(() => CheckpointStore.Write(store.FolderOf(1), folder =>
        {
            CheckpointStore.WriteProgress(folder, new TrainingProgress(1, 2, 3));
            throw new IOException("disk full");
        }));

        Assert.Empty(Directory.EnumerateFileSystemEntries(_root));
    }

    [Fact]
    public void A_write_that_fails_leaves_the_older_checkpoint_of_that_step_as_it_was()
    {
        var store = new CheckpointStore(_root);
        Write(store, 4);

        Assert.Throws<IOException>(
            () => CheckpointStore.Write(store.FolderOf(4), _ => throw new IOException("disk full")));

        Assert.Equal(4, CheckpointStore.ReadProgress(store.FolderOf(4)).Step);
    }

    [Fact]
    public void A_checkpoint_is_replaced_whole()
    {
        var store = new CheckpointStore(_root);
        CheckpointStore.Write(
            store.FolderOf(1), folder => File.WriteAllText(Path.Combine(folder, "old"), "old"));
        Write(store, 1);

        var files = Directory.EnumerateFiles(store.FolderOf(1)).Select(Path.GetFileName);
        Assert.Equal([CheckpointStore.ProgressFile], files);
        Assert.Single(Directory.EnumerateFileSystemEntries(_root));
    }

    [Fact]
    public void What_a_killed_process_left_unfinished_is_not_a_checkpoint_and_goes_with_the_next_write()
    {
        var store = new CheckpointStore(_root);
        var left = Directory.CreateDirectory(Path.Combine(_root, ".unfinished-step-3-abc")).FullName;
        CheckpointStore.WriteProgress(left, new TrainingProgress(3, 0, 0));
        Directory.CreateDirectory(Path.Combine(_root, "step-x"));

        Assert.Empty(store.Steps());
        Write(store, 3);

        Assert.False(Directory.Exists(left));
        Assert.Equal([3], store.Steps());
    }

    [Fact]
    public void Progress_comes_back_as_it_went()
    {
        var progress = new TrainingProgress(12, 345_678_901_234, ulong.MaxValue);
        CheckpointStore.WriteProgress(_root, progress);

        Assert.Equal(progress, CheckpointStore.ReadProgress(_root));
    }

    [Theory]
    [InlineData("{")]
    [InlineData("{}")]
    [InlineData("""{"step": -1, "data_cursor": 0, "seed": 1}""")]
    public void A_broken_progress_file_is_named(string content)
    {
        File.WriteAllText(Path.Combine(_root, CheckpointStore.ProgressFile), content);

        var failure = Assert.Throws<CheckpointException>(() => CheckpointStore.ReadProgress(_root));

        Assert.Contains(
            Path.Combine(_root, CheckpointStore.ProgressFile), failure.Message, StringComparison.Ordinal);
    }

    private static void Write(CheckpointStore store, int step) =>
        CheckpointStore.Write(
            store.FolderOf(step),
            folder => CheckpointStore.WriteProgress(folder, new TrainingProgress(step, step, 1)));
}
