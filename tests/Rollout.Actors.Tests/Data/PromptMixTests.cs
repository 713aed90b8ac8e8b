using Rollout.Actors.Data;
using Xunit;

namespace Rollout.Actors.Tests.Data;

public sealed class PromptMixTests
{
    private static readonly ArithmeticDataset Sums = new(9, 0.1);
    private static readonly KeywordDataset Words = new(30, "abc", seed: 1);

    [Fact]
    public void An_epoch_of_one_dataset_is_shuffled_by_the_seed_and_a_cursor_resumes()
    {
        PromptMix One(long seed) => new([new MixPart(null, 1, Sums)], seed);
        var count = Sums.Train.Count;
        string[] epoch = [.. Enumerable.Range(0, count).Select(at => One(1).Train(at).Prompt)];
        string[] prompts = [.. Sums.Train.Select(item => item.Prompt)];
        Assert.Equal(prompts.Order(), epoch.Order());
        Assert.NotEqual(prompts, epoch);
        Assert.NotEqual(epoch, Enumerable.Range(0, count).Select(at => One(2).Train(at).Prompt));
        Assert.Equal(One(1).Train(1L << 40).Prompt, One(1).Train(1L << 40).Prompt);
        Assert.DoesNotContain(PromptMix.DatasetField, One(1).Train(0).Fields.Keys);
        Assert.Equal(Sums.HeldOut.Select(item => item.Prompt), One(1).HeldOut.Select(item => item.Prompt));
    }

    [Fact]
    public void Each_dataset_of_a_mix_has_its_share_and_each_of_its_prompts_once_an_epoch()
    {
        var mix = Mixed();
        string[] names = [.. Enumerable.Range(0, 400).Select(at => mix.Train(at).Fields[PromptMix.DatasetField])];
        Assert.InRange(names.Count(name => name == "sums"), 299, 301);
        string[] words =
        [
            .. Enumerable.Range(0, 400).Select(at => mix.Train(at)).Where(item => item.Fields[PromptMix.DatasetField] == "words")
                .Take(30).Select(item => item.Prompt),
        ];
        Assert.Equal(Words.Train.Select(item => item.Prompt).Order(), words.Order());
        Assert.Equal(
            Enumerable.Range(100, 50).Select(at => mix.Train(at).Prompt), Enumerable.Range(100, 50).Select(at => Mixed().Train(at).Prompt));
    }

    [Fact]
    public void Held_out_prompts_of_all_datasets_come_mixed_and_name_theirs()
    {
        var (one, other) = (new ArithmeticDataset(20, 0.2), new ArithmeticDataset(30, 0.2));
        var mix = new PromptMix([new MixPart("small", 1, one), new MixPart("sums", 1, other)], seed: 1);
        Assert.Equal(one.HeldOut.Count + other.HeldOut.Count, mix.HeldOut.Count);
        string[] names = [.. mix.HeldOut.Select(item => item.Fields[PromptMix.DatasetField])];
        Assert.NotEqual(names.Order(), names);
        Assert.Equal(["small", "sums"], names.Distinct().Order());
    }

    [Fact]
    public void A_curriculum_paces_each_dataset_by_the_prompts_that_it_gets()
    {
        var mix = new PromptMix(
            [new MixPart("sums", 1, Sums), new MixPart("more", 2, Sums)], seed: 1, new Curriculum("answer", Prompts: 60));
        foreach (var dataset in (string[])["sums", "more"])
        {
            int[] answers =
            [
                .. Enumerable.Range(0, 60).Select(at => mix.Train(at)).Where(item => item.Fields[PromptMix.DatasetField] == dataset)
                    .Select(item => int.Parse(item.Fields["answer"])),
            ];
            Assert.Equal(answers.Order(), answers);
            Assert.InRange(answers[0], 0, 6);
            Assert.InRange(answers[^1], 12, 18);
        }
    }

    [Fact]
    public void A_prompt_without_the_number_of_a_curriculum_is_named()
    {
        var wrong = Assert.Throws<InvalidDataException>(
            () => new PromptMix([new MixPart(null, 1, Words)], seed: 1, new Curriculum("level", 10)));
        Assert.Equal("keyword-0: has no number in field \"level\", which data.curriculum sorts by", wrong.Message);
    }

    private static PromptMix Mixed() => new([new MixPart("words", 1, Words), new MixPart("sums", 3, Sums)], seed: 1);
}
