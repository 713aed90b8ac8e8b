using System.Text.Json;
using FsCheck.Fluent;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Rollout.Host.Generate;
using Rollout.Host.Output;
using Xunit;

namespace Rollout.Host.Tests.Generate;

public sealed class CompletionFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void The_file_has_its_name_only_when_it_is_complete_and_replaces_what_was_there()
    {
        var path = _folder.At("out.jsonl");
        File.WriteAllText(path, "earlier");
        using (var file = Open(path))
        {
            file.Write(Line("a"));
            file.Write(Line("b") with { SamplingLogprobs = [-0.25f] });
            Assert.Equal("earlier", File.ReadAllText(path));
            file.Complete(marksRun: false);
        }

        Assert.Equal(
            [
                """{"id":"a","sample":0,"token_ids":[1],"logprobs":[-0.5],"finish_reason":"stop","policy_version":0}""",
                """{"id":"b","sample":0,"token_ids":[1],"logprobs":[-0.5],"sampling_logprobs":[-0.25],"finish_reason":"stop","policy_version":0}""",
            ],
            File.ReadAllLines(path));
        Assert.Single(Directory.EnumerateFiles(_folder.Path));
    }

    [Fact]
    public void A_complete_file_is_on_the_disk_before_it_has_its_name_and_its_name_is_too()
    {
        using var file = Open(_folder.At("out.jsonl"));
        file.Write(Line("a"));
        var length = new FileInfo(file.Part!).Length;
        using var disk = new DiskLog(_folder.Path);

        file.Complete(marksRun: true);

        Assert.Equal(
            [$"flush out.jsonl.run.part ({length} bytes)", "rename out.jsonl", "flush folder ."], disk.Lines.TakeLast(3));
        Assert.Equal(
            [$"flush .out.jsonl.complete.*.tmp ({new FileInfo(_folder.At(".out.jsonl.complete")).Length} bytes)", "rename .out.jsonl.complete", "flush folder ."],
            disk.Lines.SkipLast(3));
    }

    [Fact]
    public void A_file_without_a_line_leaves_nothing_behind()
    {
        Open(_folder.At("out.jsonl")).Dispose();

        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void A_resumed_run_keeps_prompts_up_to_the_first_that_failed_and_writes_the_rest()
    {
        var path = _folder.At("out.jsonl");
        var prompts = Enumerable.Range(1, 4).Select(number => Prompt(number, 2)).ToArray();
        var expected = prompts
            .SelectMany(prompt => Enumerable.Range(0, 2).Select(sample => Line($"p{prompt.Group.Id.Value}", sample)))
            .ToArray();
        foreach (var (written, kept) in new[] { (0, 0), (1, 0), (2, 1), (5, 2), (8, 4) })
        {
            Assert.Equal(kept, After(expected[..written]));
            Assert.Equal(8, File.ReadLines(path).Count());
        }
        Assert.Equal(1, After([.. expected[..3], expected[3] with { FinishReason = "error" }, .. expected[4..6]]));
        // A line of which the disk has only a part.
        Assert.Equal(1, After(expected[..4], cut: 3));

        // What a resumed run finds, of what the killed one wrote; the whole file is right in any case.
        int After(CompletionLine[] written, int cut = 0)
        {
            string part;
            using (var killed = Open(path, prompts))
            {
                Array.ForEach(written, killed.Write);
                part = killed.Part!;
            }
            if (cut > 0)
                File.WriteAllText(part, File.ReadAllText(part)[..^cut]);
            using var file = Open(path, prompts, resume: true);
            foreach (var line in expected[(2 * file.Kept)..])
                file.Write(line);
            file.Complete(marksRun: false);
            Assert.Equal(
                expected.Select(line => $"{line.Id} {line.Sample} {line.FinishReason}"),
                File.ReadLines(path).Select(text => JsonSerializer.Deserialize<JsonElement>(text)).Select(line =>
                    $"{line.GetProperty("id")} {line.GetProperty("sample")} {line.GetProperty("finish_reason")}"));
            return file.Kept;
        }
    }

    [Fact]
    public void Work_of_an_earlier_run_is_not_overwritten_unasked_nor_taken_for_anothers()
    {
        var path = _folder.At("out.jsonl");
        PromptLine[] prompts = [Prompt(1, 1), Prompt(2, 1)];
        using (var killed = Open(path, prompts))
            killed.Write(Line("p1"));

        var refused = Assert.Throws<OutputException>(() => Open(path, prompts));
        Assert.Contains("has 1 of 2 prompts, by a run with the same arguments: add --resume", refused.Message, StringComparison.Ordinal);
        using var other = CompletionFile.Open(path, "other", prompts, resume: true);
        Assert.Equal(0, other.Kept);
    }

    [Fact]
    public void A_complete_output_is_known_by_its_run_until_somebody_changes_it()
    {
        var path = _folder.At("out.jsonl");
        using (var file = Open(path))
        {
            file.Write(Line("p1"));
            Assert.False(CompletionFile.IsComplete(path, "run"));
            file.Complete(marksRun: true);
        }

        Assert.True(CompletionFile.IsComplete(path, "run"));
        Assert.False(CompletionFile.IsComplete(path, "other"));
        File.AppendAllText(path, "\n");
        Assert.False(CompletionFile.IsComplete(path, "run"));
    }

    [Fact]
    public void An_output_with_failed_prompts_takes_the_mark_of_an_earlier_run_away()
    {
        var path = _folder.At("out.jsonl");
        foreach (var succeeded in (bool[])[true, false])
        {
            using var file = Open(path);
            file.Write(Line("p1"));
            file.Complete(succeeded);
        }

        Assert.False(CompletionFile.IsComplete(path, "run"));
    }

    [Fact]
    public void Two_runs_at_once_do_not_write_one_file()
    {
        var path = _folder.At("out.jsonl");
        using var first = Open(path);

        var refused = Assert.Throws<OutputException>(() => Open(path));

        Assert.Contains("cannot be written", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_link_stays_a_link_to_the_new_content()
    {
        File.WriteAllText(_folder.At("real.jsonl"), "earlier");
        File.CreateSymbolicLink(_folder.At("link.jsonl"), _folder.At("real.jsonl"));
        using (var file = Open(OutputPath.OfFile(_folder.At("link.jsonl"), "--out")))
        {
            file.Complete(marksRun: false);
        }

        Assert.NotNull(new FileInfo(_folder.At("link.jsonl")).LinkTarget);
        Assert.Empty(File.ReadAllText(_folder.At("real.jsonl")));
    }

    [Fact]
    public void A_place_that_cannot_hold_the_file_is_refused_by_name()
    {
        var folder = Assert.Throws<OutputException>(() => OutputPath.OfFile(_folder.Path, "--out"));
        Assert.Contains("is a folder: --out needs the name of a file.", folder.Message, StringComparison.Ordinal);

        var missing = Assert.Throws<OutputException>(() => OutputPath.OfFile(_folder.At("none/out.jsonl"), "--out"));
        Assert.Contains("none' is not a folder", missing.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Lines_are_in_the_order_of_prompts_and_samples_whatever_the_order_of_outcomes() =>
        Prop.ForAll(
            Gen.Choose(1, 3).NonEmptyListOf().ToArbitrary(), Gen.Choose(0, int.MaxValue).ToArbitrary(), (samples, seed) =>
            {
                var prompts = samples.Select((count, i) => Prompt(i + 1, count)).ToArray();
                var lines = new List<CompletionLine>();
                var order = new CompletionOrder(prompts, tokenizer: null, lines.Add);
                var arrivals = prompts.ToArray();
                new Random(seed).Shuffle(arrivals);
                foreach (var prompt in arrivals)
                    order.Add(Outcome(prompt));
                order.RequireAll();
                return lines.Select(line => (line.Id.ToString(), line.Sample)).SequenceEqual(
                    from prompt in prompts
                    from sample in Enumerable.Range(0, prompt.Group.Samples.Length)
                    select (prompt.Id.ToString(), sample));
            }).Holds();

    [Fact]
    public void A_failed_group_has_a_line_a_sample_with_the_reason_and_is_counted()
    {
        var lines = new List<CompletionLine>();
        var order = new CompletionOrder([Prompt(1, 2), Prompt(2, 1)], tokenizer: null, lines.Add);

        order.Add(new GroupFailed(new GroupId(1), "it was too dark"));
        Assert.Throws<InvalidOperationException>(order.RequireAll);
        order.Add(Outcome(Prompt(2, 1)));

        Assert.Equal(["error", "error", "stop"], lines.Select(line => line.FinishReason));
        Assert.Equal(["it was too dark", "it was too dark", null], lines.Select(line => line.Reason));
        Assert.Equal((1, "it was too dark"), order.Failed);
        Assert.Equal(1, order.Tokens);
    }

    public void Dispose() => _folder.Dispose();

    private static PromptLine Prompt(int number, int samples) => new(
        Id($"p{number}"),
        new GroupRequest(
            new GroupId(number), [1], [.. Enumerable.Repeat(new SamplingParams { MaxTokens = 4 }, samples)]), []);

    private static GroupFinished Outcome(PromptLine prompt) => new(
        prompt.Group.Id,
        [.. prompt.Group.Samples.Select((_, sample) => new Completion(
            sample, new SampledTokens([1], [-0.5f], [new VersionSpan(default, 0)]), FinishReason.Stop))]);

    private static CompletionFile Open(string path, PromptLine[]? prompts = null, bool resume = false) =>
        CompletionFile.Open(path, "run", prompts ?? [Prompt(1, 1)], resume);

    private static CompletionLine Line(string id, int sample = 0) => new()
    {
        Id = Id(id),
        Sample = sample,
        TokenIds = [1],
        Logprobs = [-0.5f],
        FinishReason = "stop",
        PolicyVersion = 0,
    };

    private static JsonElement Id(string id) => JsonSerializer.SerializeToElement(id);
}
