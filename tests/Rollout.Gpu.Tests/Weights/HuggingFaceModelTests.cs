using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Gpu.Tests.Support;
using Rollout.Gpu.Weights;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Weights;

public sealed class HuggingFaceModelTests
{
    private static readonly long[] Row = [3, 14, 15, 9, 26];

    [Fact]
    public void A_model_saved_and_loaded_gives_the_same_logits_bit_for_bit()
    {
        foreach (var config in TinyModels.All)
        {
            foreach (var dtype in (ScalarType[])[ScalarType.Float32, ScalarType.BFloat16, ScalarType.Float16])
            {
                using var folder = new TemporaryFolder();
                using var scope = NewDisposeScope();
                using var saved = TinyModels.Random(config, dtype: dtype);
                HuggingFaceModel.Save(saved, folder.At("model"));
                using var loaded = HuggingFaceModel.Load(folder.At("model"), dtype, CPU);

                Assert.True(TinyModels.Logits(saved, Row).Equals(TinyModels.Logits(loaded, Row)),
                    $"{config} {dtype}");
            }
        }
    }

    [Fact]
    public void A_fixture_loaded_and_saved_has_the_same_tensors()
    {
        var source = SharedFixtures.Require("tiny-llama3");
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        using var model = HuggingFaceModel.Load(source, ScalarType.Float32, CPU);
        HuggingFaceModel.Save(model, folder.At("model"), source);

        using var expected = SafetensorsFile.Open(Path.Combine(source, "model.safetensors"));
        using var actual = SafetensorsFile.Open(Path.Combine(folder.At("model"), "model.safetensors"));
        Assert.Equal(expected.Entries.Select(entry => entry.Name),
            actual.Entries.Select(entry => entry.Name));
        foreach (var entry in expected.Entries)
            Assert.True(expected.Read(entry.Name).Equals(actual.Read(entry.Name)), entry.Name);
        Assert.Equal(ModelConfigReader.ReadFolder(source).Rope, ModelConfigReader.ReadFolder(folder.At("model")).Rope);
    }

    [Fact]
    public void Tokenizer_and_generation_settings_travel_along_where_the_source_has_them()
    {
        using var folder = new TemporaryFolder();
        var source = Directory.CreateDirectory(folder.At("source")).FullName;
        string[] names =
            ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"];
        foreach (var name in names)
            File.WriteAllText(Path.Combine(source, name), $"{{\"file\": \"{name}\"}}");
        File.WriteAllText(Path.Combine(source, "notes.txt"), "stays");
        using var model = TinyModels.Random(TinyModels.Llama);
        HuggingFaceModel.Save(model, folder.At("model"), source);

        Assert.Equal(
            names.Append("config.json").Append("model.safetensors").Order(),
            Directory.GetFiles(folder.At("model")).Select(Path.GetFileName).Order());
        Assert.All(names, name => Assert.Equal(
            File.ReadAllText(Path.Combine(source, name)),
            File.ReadAllText(Path.Combine(folder.At("model"), name))));
    }

    [Fact]
    public void A_folder_that_exists_is_not_written_into()
    {
        using var folder = new TemporaryFolder();
        using var model = TinyModels.Random(TinyModels.Llama);
        Directory.CreateDirectory(folder.At("model"));
        var error =
            Assert.Throws<CheckpointException>(() => HuggingFaceModel.Save(model, folder.At("model")));

        Assert.Contains("exists already", error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(folder.At("model")));
    }

    [Fact]
    public void A_saved_model_gets_its_name_after_its_files_are_on_the_disk_and_keeps_it()
    {
        using var folder = new TemporaryFolder();
        using var model = TinyModels.Random(TinyModels.Llama);
        using var disk = new DiskLog(folder.Path);

        HuggingFaceModel.Save(model, folder.At("model"));

        Assert.Equal(["rename model", "flush folder ."], disk.Lines.TakeLast(2));
        Assert.Equal("flush folder model.*.tmp", disk.Lines[^3]);
        foreach (var file in Directory.GetFiles(folder.At("model")))
        {
            Assert.Contains(
                $"flush model.*.tmp/{Path.GetFileName(file)} ({new FileInfo(file).Length} bytes)", disk.Lines);
        }
    }

    [Fact]
    public void A_save_that_fails_leaves_nothing()
    {
        using var folder = new TemporaryFolder();
        var model = TinyModels.Random(TinyModels.Llama);
        model.Dispose(); // its weights can't be written any more

        Assert.ThrowsAny<Exception>(() => HuggingFaceModel.Save(model, folder.At("model")));
        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public void A_folder_that_is_none_is_named()
    {
        using var folder = new TemporaryFolder();
        var error = Assert.Throws<CheckpointException>(
            () => HuggingFaceModel.Load(folder.At("model"), ScalarType.Float32, CPU));

        Assert.Equal($"{folder.At("model")} is not a folder.", error.Message);
    }
}
