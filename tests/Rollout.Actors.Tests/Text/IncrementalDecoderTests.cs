using System.Text;
using FsCheck.Fluent;
using Rollout.Actors.Text;
using Xunit;

namespace Rollout.Actors.Tests.Text;

public sealed class IncrementalDecoderTests
{
    private static readonly HuggingFaceTokenizer Tokenizer = Fixtures.Variant("gpt2");

    [Fact]
    public void The_parts_joined_are_the_whole_but_for_an_incomplete_end_whatever_the_bytes()
    {
        var ids = Gen.Frequency(
            (3, Gen.Choose(0, Tokenizer.VocabularySize)),
            (2, Gen.Choose(0x80, 0xFF)),
            (1, Gen.Choose(0xF0, 0xF4)));
        Prop.ForAll(ids.ArrayOf().ToArbitrary(), sequence =>
        {
            var decoder = new IncrementalDecoder(Tokenizer);
            var joined = string.Concat(sequence.Select(decoder.Append));
            var whole = Tokenizer.Decode(sequence);
            return whole == joined || whole == joined + '\uFFFD';
        }).Holds();
    }

    [Fact]
    public void A_character_comes_out_with_its_last_byte_and_no_sooner()
    {
        var decoder = new IncrementalDecoder(Tokenizer);
        var parts = Encoding.UTF8.GetBytes("é🙂").Select(value => decoder.Append(value)).ToArray();
        Assert.Equal(["", "é", "", "", "", "🙂"], parts);
    }
}
