using Rollout.Actors.Data;
using Xunit;

namespace Rollout.Actors.Tests.Data;

public sealed class KeywordDatasetTests
{
    [Fact]
    public void Prompts_are_different_short_texts_of_the_alphabet()
    {
        var dataset = new KeywordDataset(64, "abcdefghij", seed: 1);
        string[] prompts = [.. dataset.Train.Select(item => item.Prompt)];
        Assert.Equal(64, prompts.Distinct().Count());
        Assert.All(prompts, prompt => Assert.Matches("^[a-j]{4,8}$", prompt));
        Assert.Empty(dataset.HeldOut);
    }

    [Fact]
    public void The_seed_names_the_prompts()
    {
        Assert.Equal(
            new KeywordDataset(8, "ab", seed: 4).Train[7].Prompt,
            new KeywordDataset(8, "ab", seed: 4).Train[7].Prompt);
        Assert.NotEqual(
            new KeywordDataset(8, "ab", seed: 4).Train.Select(item => item.Prompt),
            new KeywordDataset(8, "ab", seed: 5).Train.Select(item => item.Prompt));
    }

    [Theory]
    [InlineData(0, "ab", "prompts must be at least 1")]
    [InlineData(6, "a", "makes 5 texts of 4 to 8 characters, fewer than prompts = 6")]
    [InlineData(1, "", "makes 0 texts")]
    public void Impossible_settings_are_refused_by_key(int prompts, string alphabet, string complaint) =>
        Assert.Contains(
            complaint,
            Assert.Throws<ArgumentException>(() => new KeywordDataset(prompts, alphabet, 1)).Message);

    [Fact]
    public void All_texts_of_a_tiny_alphabet_are_found() =>
        Assert.Equal(
            ["aaaa", "aaaaa", "aaaaaa", "aaaaaaa", "aaaaaaaa"],
            new KeywordDataset(5, "aa", seed: 9).Train.Select(item => item.Prompt).Order());
}
