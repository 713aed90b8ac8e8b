using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Rollout.Host.Generate;
using Rollout.Host.Output;
using Rollout.Host.Tests.Support;
using Xunit;

namespace Rollout.Host.Tests.Generate;

public sealed class CompletionFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void The_file_has_its_name_only_when_it_is_complete_and_replaces_what_was_there()
    {
        var path = _folder.Child("out.jsonl");
        File.WriteAllText(path, "earlier");
        using (var file = CompletionFile.Create(path))
        {
            file.Write(Line("a"));
            Assert.Equal("earlier", File.ReadAllText(path));
            file.Complete();
        }

        Assert.Equal(
            """{"id":"a","sample":0,"token_ids":[1],"logprobs":[-0.5],"finish_reason":"stop","policy_version":0}""" + "\n",
            File.ReadAllText(path));
        Assert.Single(Directory.EnumerateFiles(_folder.Path));
    }

    [Fact]
    public void A_file_that_is_not_completed_leaves_nothing_behind()
    {
        using (var file = CompletionFile.Create(_folder.Child("out.jsonl")))
        {
            file.Write(Line("a"));
        }

        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void A_link_stays_a_link_to_the_new_content()
    {
        File.WriteAllText(_folder.Child("real.jsonl"), "earlier");
        File.CreateSymbolicLink(_folder.Child("link.jsonl"), _folder.Child("real.jsonl"));
        using (var file = CompletionFile.Create(_folder.Child("link.jsonl")))
        {
            file.Complete();
        }

        Assert.NotNull(new FileInfo(_folder.Child("link.jsonl")).LinkTarget);
        Assert.Empty(File.ReadAllText(_folder.Child("real.jsonl")));
    }

    [Fact]
    public void A_place_that_cannot_hold_the_file_is_refused_by_name()
    {
        var folder = Assert.Throws<OutputException>(() => CompletionFile.Create(_folder.Path));
        Assert.Contains("is a folder: --out needs the name of a file.", folder.Message, StringComparison.Ordinal);

        var missing = Assert.Throws<OutputException>(() => CompletionFile.Create(_folder.Child("none/out.jsonl")));
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
            }).QuickCheckThrowOnFailure();

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
            new GroupId(number), [1], [.. Enumerable.Repeat(new SamplingParams { MaxTokens = 4 }, samples)]));

    private static GroupFinished Outcome(PromptLine prompt) => new(
        prompt.Group.Id,
        [.. prompt.Group.Samples.Select((_, sample) => new Completion(
            sample, [1], [-0.5f], [new VersionSpan(new PolicyVersion(0), 0)], FinishReason.Stop))]);

    private static CompletionLine Line(string id) => new()
    {
        Id = Id(id),
        Sample = 0,
        TokenIds = [1],
        Logprobs = [-0.5f],
        FinishReason = "stop",
        PolicyVersion = 0,
    };

    private static JsonElement Id(string id) => JsonSerializer.SerializeToElement(id);
}
