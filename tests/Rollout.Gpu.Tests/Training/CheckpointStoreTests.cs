using Rollout.Gpu.Contracts;
using Rollout.Gpu.Training;
using Rollout.Gpu.Weights;
using Xunit;

namespace Rollout.Gpu.Tests.Training;

public sealed class CheckpointStoreTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("checkpoints").FullName;
    private readonly CheckpointStore _store;

    public CheckpointStoreTests() => _store = new CheckpointStore(_root);

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void The_latest_checkpoint_is_the_one_of_most_steps_and_not_the_last_by_name()
    {
        foreach (var step in (int[])[9, 100, 20])
            Write(step);

        Assert.True(_store.TryLatest(out var folder));
        Assert.Equal(_store.FolderOf(100), folder);
        Assert.Equal([9, 20, 100], _store.Steps());
        Assert.Equal(100, CheckpointStore.ReadVerified(folder).Step);
    }

    [Fact]
    public void A_run_that_has_saved_nothing_has_no_latest_checkpoint()
    {
        Assert.False(_store.TryLatest(out _));
        Assert.False(new CheckpointStore(Path.Combine(_root, "absent")).TryLatest(out _));
    }

    [Theory]
    [InlineData(".unfinished-step-3-abc", true)]
    [InlineData("step-3", false)]
    [InlineData(".replaced-step-3-abc", false)]
    public void Only_a_first_checkpoint_that_was_not_completed_is_none_at_all(string folder, bool neverHeldAny)
    {
        Assert.True(_store.NeverHeldAny);
        Assert.True(new CheckpointStore(Path.Combine(_root, "absent")).NeverHeldAny);

        Directory.CreateDirectory(Path.Combine(_root, folder));

        Assert.Equal(neverHeldAny, _store.NeverHeldAny);
    }

    [Fact]
    public void A_write_that_fails_leaves_neither_a_checkpoint_nor_its_parts()
    {
        Assert.Throws<IOException>(() => CheckpointStore.Write(_store.FolderOf(1), new TrainingProgress(1, 2, 3), folder =>
        {
            File.WriteAllText(Path.Combine(folder, "model"), "half");
            throw new IOException("disk full");
        }));

        Assert.Empty(Directory.EnumerateFileSystemEntries(_root));
    }

    [Fact]
    public void A_write_that_fails_leaves_the_older_checkpoint_of_that_step_as_it_was()
    {
        Write(4);

        Assert.Throws<IOException>(() => CheckpointStore.Write(
            _store.FolderOf(4), new TrainingProgress(4, 0, 0), _ => throw new IOException("disk full")));

        Assert.Equal(4, CheckpointStore.ReadVerified(_store.FolderOf(4)).DataCursor);
    }

    [Fact]
    public void A_checkpoint_is_replaced_whole()
    {
        CheckpointStore.Write(
            _store.FolderOf(1), new TrainingProgress(1, 0, 0), folder => File.WriteAllText(Path.Combine(folder, "old"), "old"));
        Write(1);

        Assert.False(File.Exists(Path.Combine(_store.FolderOf(1), "old")));
        Assert.Equal(1, CheckpointStore.ReadVerified(_store.FolderOf(1)).DataCursor);
        Assert.Single(Directory.EnumerateFileSystemEntries(_root));
    }

    [Fact]
    public void An_unfinished_checkpoint_does_not_count_and_goes_with_the_next_write()
    {
        Write(3);
        var left = Path.Combine(_root, ".unfinished-step-3-abc");
        Directory.Move(_store.FolderOf(3), left);
        Directory.CreateDirectory(Path.Combine(_root, "step-x"));

        _store.Recover();
        Assert.Empty(_store.Steps());
        Write(3);

        Assert.False(Directory.Exists(left));
        Assert.Equal([3], _store.Steps());
    }

    [Fact]
    public void A_checkpoint_that_a_killed_process_was_replacing_gets_its_name_back()
    {
        Write(3);
        Directory.Move(_store.FolderOf(3), Path.Combine(_root, ".replaced-step-3-abc"));

        _store.Recover();

        Assert.Equal(3, CheckpointStore.ReadVerified(_store.FolderOf(3)).Step);
        Assert.Single(Directory.EnumerateFileSystemEntries(_root));
    }

    [Fact]
    public void A_checkpoint_that_was_replaced_is_removed_where_a_killed_process_left_it()
    {
        Write(2);
        Directory.Move(_store.FolderOf(2), Path.Combine(_root, ".replaced-step-3-abc"));
        Write(3);

        _store.Recover();

        Assert.Equal([_store.FolderOf(3)], Directory.EnumerateFileSystemEntries(_root));
    }

    [Fact]
    public void A_replaced_checkpoint_comes_back_where_the_new_one_is_damaged()
    {
        Write(3);
        var replaced = Path.Combine(_root, ".replaced-step-3-abc");
        Directory.Move(_store.FolderOf(3), replaced);
        CheckpointStore.Write(_store.FolderOf(3), new TrainingProgress(3, 99, 1), FillWith("new weights"));
        File.AppendAllText(Path.Combine(_store.FolderOf(3), "model.safetensors"), "damage");

        _store.Recover();

        Assert.Equal(3, CheckpointStore.ReadVerified(_store.FolderOf(3)).DataCursor);
        Assert.Single(Directory.EnumerateFileSystemEntries(_root));
    }

    [Fact]
    public void A_replaced_checkpoint_that_is_damaged_takes_no_name_and_removes_nothing()
    {
        Write(3);
        var replaced = Path.Combine(_root, ".replaced-step-3-abc");
        Directory.Move(_store.FolderOf(3), replaced);
        Write(3);
        foreach (var folder in (string[])[replaced, _store.FolderOf(3)])
            File.AppendAllText(Path.Combine(folder, "model.safetensors"), "damage");

        _store.Recover();

        Assert.True(Directory.Exists(replaced));
        Assert.StartsWith(_store.FolderOf(3), Refused(3), StringComparison.Ordinal);
    }

    [Fact]
    public void A_checkpoint_is_flushed_before_it_gets_its_name_and_the_name_after()
    {
        using var disk = new DiskLog(_root);

        Write(3);

        Assert.Equal(
            [
                "flush .unfinished-step-3-*/manifest.json", "flush .unfinished-step-3-*/model.safetensors",
                "flush .unfinished-step-3-*/optimizer.safetensors", "flush .unfinished-step-3-*/progress.json",
                "flush folder .unfinished-step-3-*", "rename step-3", "flush folder .",
            ],
            [.. disk.Lines.Take(4).Select(WithoutLength).Order(StringComparer.Ordinal), .. disk.Lines.Skip(4)]);
        foreach (var file in Directory.GetFiles(_store.FolderOf(3)))
            Assert.Contains($"/{Path.GetFileName(file)} ({new FileInfo(file).Length} bytes)", string.Join('\n', disk.Lines), StringComparison.Ordinal);
    }

    [Fact]
    public void A_checkpoint_is_removed_only_when_the_one_that_replaces_it_is_on_the_disk()
    {
        Write(3);
        var there = new List<bool>();
        using var disk = new DiskLog(_root)
        {
            Then = (_, _) => there.Add(Directory.EnumerateDirectories(_root)
                .Any(folder => File.Exists(Path.Combine(folder, "old")))),
        };
        File.WriteAllText(Path.Combine(_store.FolderOf(3), "old"), "");

        Write(3);

        Assert.Equal(["rename step-3", "flush folder ."], disk.Lines.TakeLast(2));
        Assert.All(there, Assert.True);
        Assert.Contains("flush folder .unfinished-step-3-*", disk.Lines.SkipLast(2));
    }

    [Fact]
    public void A_full_disk_is_told_with_the_name_of_the_checkpoint_and_no_temporary_one()
    {
        var fault = Assert.Throws<IOException>(() => CheckpointStore.Write(
            _store.FolderOf(4),
            new TrainingProgress(4, 0, 0),
            folder => throw new IOException($"No space left on device : '{folder}/model.safetensors.1f.tmp'")));

        Assert.Equal($"'{_store.FolderOf(4)}' cannot be written: No space left on device", fault.Message);
    }

    [Fact]
    public void A_checkpoint_that_a_killed_process_was_writing_is_removed()
    {
        Write(3);
        Directory.CreateDirectory(Path.Combine(_root, ".unfinished-step-7-abc"));

        _store.Recover();

        Assert.Equal([_store.FolderOf(3)], Directory.EnumerateFileSystemEntries(_root));
    }

    [Fact]
    public void Progress_comes_back_as_it_went()
    {
        var progress = new TrainingProgress(12, 345_678_901_234, ulong.MaxValue);
        CheckpointStore.Write(_store.FolderOf(12), progress, FillWith("weights"));

        Assert.Equal(progress, CheckpointStore.ReadVerified(_store.FolderOf(12)));
    }

    [Fact]
    public void One_changed_bit_in_any_file_of_a_checkpoint_is_found()
    {
        Write(5);
        foreach (var path in Directory.EnumerateFiles(_store.FolderOf(5)).ToArray())
        {
            var whole = File.ReadAllBytes(path);
            for (var at = 0; at < whole.Length; at++)
            {
                var damaged = (byte[])whole.Clone();
                damaged[at] ^= 1;
                File.WriteAllBytes(path, damaged);
                Refused(5);
            }

            File.WriteAllBytes(path, whole);
        }

        Assert.Equal(5, CheckpointStore.ReadVerified(_store.FolderOf(5)).Step);
    }

    [Fact]
    public void A_file_that_is_missing_or_cut_is_named()
    {
        Write(5);
        var optimizer = Path.Combine(_store.FolderOf(5), TrainedModel.OptimizerFile);
        File.WriteAllText(optimizer, "");
        Assert.Equal(
            $"{optimizer} is not the file that manifest.json lists: it has 0 bytes instead of 12.", Refused(5));

        File.Delete(optimizer);
        Assert.Equal($"{optimizer} is missing, but manifest.json lists it.", Refused(5));
    }

    [Theory]
    [InlineData("model.safetensors")]
    [InlineData("progress.json")]
    [InlineData("optimizer.safetensors")]
    public void A_file_of_another_step_is_refused(string name)
    {
        Write(5);
        Write(55);
        File.Copy(Path.Combine(_store.FolderOf(5), name), Path.Combine(_store.FolderOf(55), name), overwrite: true);

        Assert.StartsWith(Path.Combine(_store.FolderOf(55), name), Refused(55), StringComparison.Ordinal);
    }

    [Fact]
    public void A_checkpoint_under_the_name_of_another_step_is_refused()
    {
        Write(5);
        Directory.Move(_store.FolderOf(5), _store.FolderOf(2_000_000_000));

        Assert.Contains("progress.json is of step 5", Refused(2_000_000_000), StringComparison.Ordinal);
    }

    [Fact]
    public void A_checkpoint_without_a_manifest_is_refused_and_says_what_it_is_good_for()
    {
        Write(5);
        File.Delete(Path.Combine(_store.FolderOf(5), CheckpointManifest.FileName));

        Assert.Contains("a new run can start from its weights by model.path", Refused(5), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("{}")]
    [InlineData("null")]
    [InlineData("""{"step": 5, "files": {"progress.json": null}}""")]
    public void A_manifest_that_is_none_is_refused(string content)
    {
        Write(5);
        File.WriteAllText(Path.Combine(_store.FolderOf(5), CheckpointManifest.FileName), content);

        Assert.Contains(CheckpointManifest.FileName, Refused(5), StringComparison.Ordinal);
    }

    [Fact]
    public void A_models_files_are_compared_without_the_optimizers_and_a_foreign_folder_is_not()
    {
        Write(5);
        File.Delete(Path.Combine(_store.FolderOf(5), TrainedModel.OptimizerFile));
        CheckpointManifest.VerifyModel(_store.FolderOf(5));
        CheckpointManifest.VerifyModel(_root);

        File.WriteAllText(Path.Combine(_store.FolderOf(5), "model.safetensors"), "changed");
        Assert.Throws<CheckpointException>(() => CheckpointManifest.VerifyModel(_store.FolderOf(5)));
    }

    private static string WithoutLength(string line) => line[..line.LastIndexOf(" (", StringComparison.Ordinal)];

    private string Refused(int step) =>
        Assert.Throws<CheckpointException>(() => CheckpointStore.ReadVerified(_store.FolderOf(step))).Message;

    private void Write(int step) =>
        CheckpointStore.Write(_store.FolderOf(step), new TrainingProgress(step, step, 1), FillWith($"weights {step}"));

    private static Action<string> FillWith(string weights) => folder =>
    {
        File.WriteAllText(Path.Combine(folder, "model.safetensors"), weights);
        File.WriteAllText(Path.Combine(folder, TrainedModel.OptimizerFile), $"of {weights}");
    };
}
