using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Host.Bench;
using Rollout.Host.Tests.Support;
using Xunit;

namespace Rollout.Host.Tests.Bench;

public sealed class WorkloadTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void A_group_has_a_sample_for_each_entry_of_max_tokens_and_no_stop_tokens()
    {
        var group = Assert.Single(Read("""{"id":"a","prompt_ids":[3,4],"max_tokens":[1,2]}"""));

        Assert.Equal([3, 4], group.Prompt);
        Assert.Equal([1, 2], group.Samples.Select(sample => sample.MaxTokens));
        Assert.All(group.Samples, sample => Assert.Empty(sample.StopTokenIds));
    }

    [Theory]
    [InlineData("""{"id":"a","prompt":"1+2="}""", "a workload has token ids, not text: expected prompt_ids")]
    [InlineData("""{"id":"a","messages":[]}""", "a workload has token ids, not text: expected prompt_ids")]
    [InlineData("""{"id":"a","max_tokens":[1]}""", "has no prompt_ids, expected a list of token ids")]
    [InlineData("""{"id":"a","prompt_ids":[3]}""", "has no max_tokens, expected a list with one entry a sample")]
    [InlineData("""{"id":"a","prompt_ids":[3],"max_tokens":[1],"seed":2}""",
        "seed is not a field of a workload, expected id, prompt_ids, max_tokens")]
    [InlineData("""{"id":"a","prompt_ids":[99999999999],"max_tokens":[1]}""", "ids from 0 to 15, and holds 99999999999")]
    [InlineData("""{"id":"a","prompt_ids":[],"max_tokens":[1]}""", "prompt_ids is empty, expected at least one token")]
    [InlineData("""{"id":"a","prompt_ids":[3],"max_tokens":5}""", "max_tokens must be a list of whole numbers from 1 to 2147483647")]
    [InlineData("""{"id":"a","prompt_ids":[3],"max_tokens":[2147483647]}""", "with 2147483647 new ones (max_tokens) it exceeds the model's")]
    [InlineData("null", "holds no JSON object")]
    [InlineData("""{"id":"a","\ud800":1}""", "escapes one half of a surrogate pair")]
    public void A_line_that_is_no_group_is_refused_in_one_sentence_with_file_and_line(string line, string sentence)
    {
        var wrong = Assert.Throws<InvalidDataException>(() => Read($"\n{line}\n"));

        Assert.StartsWith($"{_folder.At("w.jsonl")}:2: ", wrong.Message, StringComparison.Ordinal);
        Assert.Contains(sentence, wrong.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("Rollout.", wrong.Message, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    private IReadOnlyList<Actors.Protocol.GroupRequest> Read(string text)
    {
        File.WriteAllText(_folder.At("w.jsonl"), text);
        return Workload.Read(
            _folder.At("w.jsonl"), new SamplingParams { MaxTokens = 1, StopTokenIds = [1] }, ModelConfigReader.ReadFolder(TinyModel.Source));
    }
}
