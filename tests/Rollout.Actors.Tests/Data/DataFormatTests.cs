using Parquet;
using Parquet.Schema;
using Parquet.Serialization;
using Rollout.Actors.Data;
using Rollout.Actors.Settings;
using Rollout.Actors.Text;
using Xunit;

namespace Rollout.Actors.Tests.Data;

/// <summary>CSV and Parquet give what JSON lines give.</summary>
public sealed class DataFormatTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("\n")]
    [InlineData("\r\n")]
    public void A_csv_record_becomes_a_prompt_with_its_texts_as_fields_and_the_line_it_begins_in(string newLine)
    {
        _folder.Write("t.csv", "\uFEFF" + string.Join(
            newLine, "prompt,answer,level", "\"say \"\"hi\"\"", "twice, 日本\",2,", "", "plain,x,3", ""));
        using var dataset = Open("t.csv", DataFormat.Csv);
        Assert.Equal(
            [("t.csv:2", $"say \"hi\"{newLine}twice, 日本", "answer=2"), ("t.csv:5", "plain", "answer=x level=3")],
            dataset.Train.Select(item => (item.Id, item.Prompt, Shown(item))));
    }

    [Theory]
    [InlineData("prompt\na\nb\"c\n", ":3: not valid CSV: ")]
    [InlineData("prompt\n\"a\"b\n", ":2: not valid CSV: ")]
    [InlineData("prompt,answer\na,b\nc\n", ":3: not valid CSV: ")]
    [InlineData("prompt\n\"a\nb\n", ":2: not valid CSV: ")]
    [InlineData("prompt,prompt\na,b\n", ":1: names the field \"prompt\" twice")]
    [InlineData("text\na\n", ":2: has no field \"prompt\"")]
    [InlineData("prompt,answer\n,b\n", ":2: has no field \"prompt\"")]
    [InlineData("prompt\n", ": holds no prompt")]
    [InlineData("", ": holds no prompt")]
    public void A_wrong_csv_file_is_refused_by_file_and_line(string text, string complaint)
    {
        _folder.Write("t.csv", text);
        Assert.StartsWith(_folder.At("t.csv") + complaint, Wrong("t.csv", DataFormat.Csv));
    }

    [Fact]
    public void Broken_utf8_and_a_quote_that_swallows_a_large_file_are_refused()
    {
        File.WriteAllBytes(_folder.At("t.csv"), [.. "prompt\na\n"u8, 0xFF, (byte)'\n']);
        Assert.EndsWith("t.csv:3: not valid UTF-8", Wrong("t.csv", DataFormat.Csv));
        File.WriteAllText(_folder.At("t.csv"), "prompt\n\"" + new string('x', 40 << 20));
        Assert.StartsWith(_folder.At("t.csv:2: not valid CSV: "), Wrong("t.csv", DataFormat.Csv));
    }

    [Fact]
    public async Task Parquet_rows_of_several_row_groups_become_prompts_with_their_fields()
    {
        await WriteAsync(
            new ParquetSchema(
                new DataField<string>("prompt"), new DataField<string>("answer"), new DataField<int?>("level"),
                new DataField<double>("share"), new DataField<bool>("yes")),
            Enumerable.Range(0, 5).Select(i => new Dictionary<string, object?>
            {
                ["prompt"] = $"日本 {i}",
                ["answer"] = $"{i}",
                ["level"] = i == 1 ? null : i,
                ["share"] = i / 4.0,
                ["yes"] = true,
            }));
        using var dataset = Open("t.parquet", DataFormat.Parquet);
        Assert.Equal(Enumerable.Range(0, 5).Select(i => ($"t.parquet:{i + 1}", $"日本 {i}")), dataset.Train.Select(item => (item.Id, item.Prompt)));
        Assert.Equal("answer=3 level=3 share=0.75", Shown(dataset.Train[3]));
        Assert.Equal("answer=1 share=0.25", Shown(dataset.Train[1]));
    }

    [Fact]
    public async Task A_parquet_list_of_messages_goes_through_the_chat_format()
    {
        await WriteAsync(
            new ParquetSchema(new ListField("prompt", new StructField(
                "element", new DataField<string>("role"), new DataField<string>("content")))),
            Enumerable.Range(0, 3).Select(i => new Dictionary<string, object?>
            {
                ["prompt"] = new List<Dictionary<string, object?>>
                {
                    new() { ["role"] = "system", ["content"] = "s" },
                    new() { ["role"] = "user", ["content"] = $"u{i}" },
                },
            }));
        using var dataset = Open("t.parquet", DataFormat.Parquet, Format);
        Assert.Equal(["system:s|user:u0", "system:s|user:u1", "system:s|user:u2"], dataset.Train.Select(item => item.Prompt));

        static string Format(IReadOnlyList<ChatMessage> messages) =>
            string.Join('|', messages.Select(message => $"{message.Role}:{message.Content}"));
    }

    [Fact]
    public async Task A_wrong_parquet_file_is_refused_in_a_sentence_by_file_and_row()
    {
        _folder.Write("t.parquet", "PAR1 but no more of it, PAR1");
        Assert.StartsWith(_folder.At("t.parquet: can't be read as Parquet: "), Wrong("t.parquet", DataFormat.Parquet));
        await WriteAsync(
            new ParquetSchema(new DataField<string>("prompt")),
            Enumerable.Range(0, 3).Select(i => new Dictionary<string, object?> { ["prompt"] = i == 2 ? null : "a" }));
        Assert.EndsWith("t.parquet:3: has no field \"prompt\"", Wrong("t.parquet", DataFormat.Parquet));
        var whole = await File.ReadAllBytesAsync(_folder.At("t.parquet"));
        whole.AsSpan(8, 8).Fill(0xEE);
        await File.WriteAllBytesAsync(_folder.At("t.parquet"), whole);
        Assert.StartsWith(_folder.At("t.parquet: can't be read as Parquet: "), Wrong("t.parquet", DataFormat.Parquet));
    }

    [Theory]
    [InlineData(DataFormat.Csv)]
    [InlineData(DataFormat.Parquet)]
    public void A_missing_file_is_named(DataFormat format) =>
        Assert.Equal(_folder.At("none: no such file"), Wrong("none", format));

    private async Task WriteAsync(ParquetSchema schema, IEnumerable<Dictionary<string, object?>> rows)
    {
        await using var file = File.Create(_folder.At("t.parquet"));
        await ParquetSerializer.SerializeUntypedAsync(
            [.. rows.Select(row => (IDictionary<string, object?>)row)], schema, file, new ParquetOptions { RowGroupSize = 2 });
    }

    private static string Shown(PromptItem item) => string.Join(' ', item.Fields.Select(field => $"{field.Key}={field.Value}").Order());

    private string Wrong(string name, DataFormat format)
    {
        var message = Assert.Throws<InvalidDataException>(() => Open(name, format)).Message;
        Assert.DoesNotContain('\n', message);
        return message;
    }

    private FileDataset Open(string name, DataFormat format, Func<IReadOnlyList<ChatMessage>, string>? formatChat = null) => new(
        (FileSettings)RolloutSettings.From(ConfigTree.Load()).Data.Sections[DatasetType.Jsonl] with
        {
            Train = _folder.At(name),
            Format = format,
        },
        formatChat);
}
