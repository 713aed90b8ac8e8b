using System.Text;
using FsCheck.Fluent;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Weights;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Weights;

public sealed class SafetensorsFileTests
{
    [Fact]
    public void What_was_written_is_read_back_in_every_type_and_shape()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        ScalarType[] types =
        [
            ScalarType.Float64, ScalarType.Float32, ScalarType.Float16, ScalarType.BFloat16, ScalarType.Int64,
            ScalarType.Int32, ScalarType.Int16, ScalarType.Int8, ScalarType.Byte, ScalarType.Bool,
        ];
        long[][] shapes = [[], [0], [3], [2, 3], [2, 0, 3], [1, 2, 3, 5]];
        var written = types
            .SelectMany(type => shapes.Select(shape =>
                ($"{type} [{string.Join(' ', shape)}]", (randn(shape) * 5).abs().to(type))))
            .ToArray();
        SafetensorsWriter.Write(folder.At("all.safetensors"), written);

        using var file = SafetensorsFile.Open(folder.At("all.safetensors"));
        Assert.Equal(written.Length, file.Entries.Count);
        foreach (var (name, values) in written)
        {
            var read = file.Read(name);
            Assert.Equal(values.dtype, read.dtype);
            Assert.Equal(values.shape, read.shape);
            Assert.True(values.Equals(read), name);
            Assert.Equal(0, file.Find(name)!.Offset % Math.Max(1, (int)values.element_size()));
        }
    }

    [Fact]
    public void A_tensor_larger_than_one_chunk_is_whole_in_its_own_type_and_in_another()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        var values = arange((1 << 23) + 5, dtype: ScalarType.Float32);
        SafetensorsWriter.Write(folder.At("large.safetensors"), [("large", values)]);

        using var file = SafetensorsFile.Open(folder.At("large.safetensors"));
        Assert.True(values.Equals(file.Read("large")));
        var wider = empty(values.shape, ScalarType.Float64);
        file.CopyTo(file.Entries[0], wider);
        Assert.True(values.to(ScalarType.Float64).Equals(wider));
    }

    [Fact]
    public void A_file_that_is_cut_while_it_is_open_is_an_error_that_names_it()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        var path = folder.At("cut.safetensors");
        SafetensorsWriter.Write(path, [("values", rand(100_000))]);
        using var file = SafetensorsFile.Open(path);
        using (var other = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
            other.SetLength(5_000);

        var error = Assert.Throws<CheckpointException>(() => file.Read("values"));

        Assert.Contains(path, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Views_are_written_as_what_they_show()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        var values = rand(4, 6);
        SafetensorsWriter.Write(
            folder.At("views.safetensors"), [("rows", values.narrow(0, 1, 2)), ("transposed", values.t())]);

        using var file = SafetensorsFile.Open(folder.At("views.safetensors"));
        Assert.True(values.narrow(0, 1, 2).Equals(file.Read("rows")));
        Assert.True(values.t().Equals(file.Read("transposed")));
    }

    [Fact]
    public void Writing_replaces_the_file_and_leaves_nothing_else()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        SafetensorsWriter.Write(folder.At("a.safetensors"), [("first", rand(3))]);
        SafetensorsWriter.Write(folder.At("a.safetensors"), [("second", rand(5))]);

        using var file = SafetensorsFile.Open(folder.At("a.safetensors"));
        Assert.Equal(["second"], file.Entries.Select(entry => entry.Name));
        Assert.Equal([folder.At("a.safetensors")], Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void A_header_has_the_format_that_transformers_asks_for()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        SafetensorsWriter.Write(folder.At("a.safetensors"), [("w", rand(2, 3))]);

        var bytes = File.ReadAllBytes(folder.At("a.safetensors"));
        var length = BitConverter.ToInt32(bytes);
        Assert.Equal(0, length % 8);
        Assert.Equal(
            """{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}""",
            Encoding.UTF8.GetString(bytes, 8, length).TrimEnd(' '));
        Assert.Equal(8 + length + 24, bytes.Length);
    }

    [Fact]
    public void A_file_cut_off_anywhere_is_refused()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        SafetensorsWriter.Write(folder.At("whole.safetensors"), [("a", rand(3)), ("b", rand(2, 2))]);
        var whole = File.ReadAllBytes(folder.At("whole.safetensors"));

        for (var length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(folder.At("cut.safetensors"), whole[..length]);
            Assert.Throws<CheckpointException>(() => SafetensorsFile.Open(folder.At("cut.safetensors")));
        }
    }

    [Fact]
    public void No_damage_to_a_header_does_more_than_refuse()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        SafetensorsWriter.Write(folder.At("whole.safetensors"), [("a", rand(3)), ("b", rand(2, 2))]);
        var whole = File.ReadAllBytes(folder.At("whole.safetensors"));
        var headerEnd = 8 + BitConverter.ToInt32(whole);

        Prop.ForAll(Gen.Choose(0, headerEnd - 1).ToArbitrary(), ArbMap.Default.ArbFor<byte>(), (at, value) =>
        {
            var damaged = (byte[])whole.Clone();
            damaged[at] = value;
            File.WriteAllBytes(folder.At("damaged.safetensors"), damaged);
            try
            {
                using var file = SafetensorsFile.Open(folder.At("damaged.safetensors"));
                foreach (var entry in file.Entries)
                    file.Read(entry.Name).Dispose();
            }
            catch (CheckpointException error)
            {
                return !error.Message.Contains('\n') && error.Message.Contains("damaged.safetensors");
            }

            return true;
        }).Holds();
    }

    public static TheoryData<string, int, string> Lies => new()
    {
        { """[1]""", 0, "has a header that is not a JSON object." },
        { """{"w": """, 0, "has a header that is not JSON." },
        { """{"w": 3}""", 0, "states no dtype for tensor w." },
        { """{"w": {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]}}""", 1,
            "holds tensor w as F8_E4M3, which is not supported." },
        { """{"w": {"dtype": "F32", "data_offsets": [0, 4]}}""", 4, "states no valid shape for tensor w." },
        { """{"w": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}""", 4,
            "states no valid shape for tensor w." },
        { """{"w": {"dtype": "F32", "shape": [1]}}""", 4, "states no valid data_offsets for tensor w." },
        { """{"w": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}""", 4,
            "states no valid data_offsets for tensor w." },
        { """{"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4, 8]}}""", 8,
            "states no valid data_offsets for tensor w." },
        { """{"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}""", 4,
            "places tensor w up to byte 8 of the data, and there are 4." },
        { """{"w": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}""", 8,
            "gives tensor w 8 bytes, and F32 [3] needs 12." },
        { """{"w": {"dtype": "F32", "shape": [4611686018427387904, 4611686018427387904, 4611686018427387904], "data_offsets": [0, 8]}}""", 8, "needs more." },
        { """{"v": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "w": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}}""", 12, "places tensor w where it overlaps the one before it." },
        { """{"w": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}""", 8,
            "places tensor w where it leaves a gap before it." },
        { """{"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}""", 6,
            "has 2 bytes after its last tensor." },
        { """{"w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}, "w": {"dtype": "U8", "shape": [1], "data_offsets": [1, 2]}}""", 2, "names tensor w twice." },
    };

    [Theory]
    [MemberData(nameof(Lies))]
    public void A_header_that_lies_is_refused_by_file_and_tensor(
        string header, int dataBytes, string expected)
    {
        using var folder = new TemporaryFolder();
        var json = Encoding.UTF8.GetBytes(header);
        File.WriteAllBytes(
            folder.At("lie.safetensors"),
            [.. BitConverter.GetBytes((long)json.Length), .. json, .. new byte[dataBytes]]);
        var error =
            Assert.Throws<CheckpointException>(() => SafetensorsFile.Open(folder.At("lie.safetensors")));

        Assert.StartsWith(folder.At("lie.safetensors"), error.Message, StringComparison.Ordinal);
        Assert.EndsWith(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_header_of_100000_sizes_or_a_name_of_megabytes_is_refused_shortly()
    {
        var sizes = string.Join(",", Enumerable.Repeat("1", 100_000));
        var name = new string('w', 5_000_000);
        foreach (var header in (string[])
            [
                $$$"""{"w": {"dtype": "F32", "shape": [{{{sizes}}}], "data_offsets": [0, 8]}}""",
                $$$"""{"{{{name}}}": {"dtype": "F32", "shape": [1], "data_offsets": [0, 8]}}""",
                $$$"""{"{{{name}}}": {"dtype": "{{{name}}}", "shape": [1], "data_offsets": [0, 8]}}""",
            ])
        {
            using var folder = new TemporaryFolder();
            var json = Encoding.UTF8.GetBytes(header);
            File.WriteAllBytes(
                folder.At("lie.safetensors"), [.. BitConverter.GetBytes((long)json.Length), .. json, .. new byte[8]]);

            var error = Assert.Throws<CheckpointException>(() => SafetensorsFile.Open(folder.At("lie.safetensors")));

            Assert.InRange(error.Message.Length, 1, 500);
        }
    }

    [Theory]
    [InlineData(ulong.MaxValue, "and 100000000 is the limit.")]
    [InlineData(100_000_001UL, "and 100000000 is the limit.")]
    [InlineData(3UL, "states a header of 3 bytes, and only 2 follow.")]
    public void A_header_longer_than_the_file_or_the_limit_is_refused(ulong length, string expected)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.At("long.safetensors"),
            [.. BitConverter.GetBytes(length), (byte)'{', (byte)'}']);
        var error =
            Assert.Throws<CheckpointException>(() => SafetensorsFile.Open(folder.At("long.safetensors")));

        Assert.EndsWith(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_file_and_a_missing_tensor_are_named()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        var path = folder.At("a.safetensors");
        Assert.Equal(
            $"{path} is not there.",
            Assert.Throws<CheckpointException>(() => SafetensorsFile.Open(path)).Message);

        SafetensorsWriter.Write(path, [("w", rand(2))]);
        using var file = SafetensorsFile.Open(path);
        Assert.Equal($"{path} has no tensor v.",
            Assert.Throws<CheckpointException>(() => file.Read("v")).Message);
    }
}
