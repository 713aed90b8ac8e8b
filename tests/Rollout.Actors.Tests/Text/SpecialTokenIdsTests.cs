using System.Text.Json;
using Rollout.Actors.Text;
using Xunit;

namespace Rollout.Actors.Tests.Text;

public sealed class SpecialTokenIdsTests
{
    [QwenFact]
    public void Qwen3_ends_a_turn_with_its_eos_token_and_begins_with_none()
    {
        var ids = SpecialTokenIds.Load(Fixtures.Qwen3!, Fixtures.Qwen);
        Assert.Null(ids.Begin);
        Assert.Equal([151645], ids.EndOfSequence);
        Assert.Equal(151643, ids.Padding);
    }

    [Fact]
    public void Ends_of_the_generation_and_the_tokenizer_configuration_count_together()
    {
        using var folder = new TemporaryFolder(
            ("generation_config.json", """{"eos_token_id": [5, 1]}"""),
            ("tokenizer_config.json", """{"eos_token": {"content": "<eos>"}, "bos_token": "<pad>"}"""),
            ("config.json", """{"eos_token_id": 9}"""));
        var ids = SpecialTokenIds.Load(folder.Path, Fixtures.Arithmetic);
        Assert.Equal([5, 1, 0], ids.EndOfSequence);
        Assert.Equal(1, ids.Begin);
        Assert.Null(ids.Padding);
    }

    [Fact]
    public void The_model_configuration_is_asked_last()
    {
        using var folder = new TemporaryFolder(("config.json", """{"eos_token_id": 9}"""));
        Assert.Equal([9], SpecialTokenIds.Load(folder.Path, Fixtures.Arithmetic).EndOfSequence);
    }

    [Theory]
    [InlineData("""{"eos_token": "</s>"}""", "tokenizer_config.json: eos_token is \"</s>\", which the")]
    [InlineData("{}", "names an end-of-sequence token")]
    public void A_token_that_does_not_exist_and_a_missing_end_are_named(string config, string complaint)
    {
        using var folder = new TemporaryFolder(("tokenizer_config.json", config));
        var wrong = Assert.Throws<InvalidDataException>(
            () => SpecialTokenIds.Load(folder.Path, Fixtures.Arithmetic));
        Assert.Contains(complaint, wrong.Message);
    }

    [Theory]
    [InlineData("models/arithmetic", "12+34=", 16)]
    [InlineData("models/keyword", "abc xyz", 29)]
    public void The_models_of_the_repository_agree_with_their_own_files(
        string folder, string text, int vocabulary)
    {
        folder = TestFiles.Repository(folder);
        var tokenizer = HuggingFaceTokenizer.Load(folder);
        using var config = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "config.json")));
        Assert.Equal(vocabulary, tokenizer.VocabularySize);
        Assert.Equal(vocabulary, config.RootElement.GetProperty("vocab_size").GetInt32());
        Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text + "<eos>")));

        var ids = SpecialTokenIds.Load(folder, tokenizer);
        Assert.Equal([0], ids.EndOfSequence);
        Assert.Equal(1, ids.Padding);
        Assert.True(tokenizer.IsSpecial(0));
    }
}
