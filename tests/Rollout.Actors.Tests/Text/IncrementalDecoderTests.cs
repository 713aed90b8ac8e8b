using System.Text;
using FsCheck.Fluent;
using Rollout.Actors.Text;
using Xunit;

namespace Rollout.Actors.Tests.Text;

public sealed class IncrementalDecoderTests
{
    private static readonly HuggingFaceTokenizer Tokenizer = Fixtures.Variant("gpt2");

    [Fact]
    public void The_parts_put_together_are_the_whole_whatever_the_bytes()
    {
        var ids = Gen.Frequency(
            (3, Gen.Choose(0, Tokenizer.VocabularySize)),
            (2, Gen.Choose(0x80, 0xFF)),
            (1, Gen.Choose(0xF0, 0xF4)));
        Prop.ForAll(ids.ArrayOf().ToArbitrary(), Gen.Elements(true, false).ToArbitrary(), (sequence, keep) =>
        {
            var decoder = new IncrementalDecoder(Tokenizer, keep);
            var text = new StringBuilder();
            foreach (var id in sequence)
                text.Append(decoder.Append(id));
            text.Append(decoder.Flush());
            return text.ToString() == Tokenizer.Decode(sequence, keep);
        }).Holds();
    }

    [Fact]
    public void A_character_comes_out_with_its_last_byte_and_no_sooner()
    {
        var decoder = new IncrementalDecoder(Tokenizer);
        var parts = Encoding.UTF8.GetBytes("é🙂").Select(value => decoder.Append(value)).ToArray();
        Assert.Equal(["", "é", "", "", "", "🙂"], parts);
        Assert.Equal("", decoder.Flush());
    }

    [Fact]
    public void What_stays_incomplete_is_flushed_as_one_replacement_character_and_then_gone()
    {
        var decoder = new IncrementalDecoder(Tokenizer);
        foreach (var value in Encoding.UTF8.GetBytes("🙂")[..3])
            Assert.Equal("", decoder.Append(value));
        Assert.Equal("\uFFFD", decoder.Flush());
        Assert.Equal("", decoder.Flush());
        Assert.Equal("a", decoder.Append('a'));
    }
}
