using System.Text;
using FsCheck.Fluent;
using Rollout.Actors.Text;
using Xunit;

namespace Rollout.Actors.Tests.Text;

public sealed class StopTextSearchTests
{
    private static readonly HuggingFaceTokenizer Tokenizer = Fixtures.Variant("gpt2");

    [Fact]
    public void A_stop_text_is_found_with_the_token_that_completes_it_and_no_sooner()
    {
        var text = Gen.Elements('a', 'b', 'é', '\n').ArrayOf()
            .Select(characters => new string(characters));
        var stops = Gen.Elements("a", "ab", "bab", "é\n", "aab", "\n\n").ArrayOf(2);
        Prop.ForAll(text.ToArbitrary(), stops.ToArbitrary(), (whole, texts) =>
        {
            var search = new StopTextSearch(Tokenizer, texts);
            var ids = Encoding.UTF8.GetBytes(whole).Select(value => (int)value).ToArray();   // a token a byte
            for (var read = 1; read <= ids.Length; read++)
            {
                var expected = Array.Exists(texts, stop => Whole(ids[..read]).Contains(stop, StringComparison.Ordinal));
                if (search.Append(ids[read - 1]) != expected)
                    return false;
                if (expected)
                    return true;
            }
            return true;
        }).Holds();
    }

    [Fact]
    public void A_stop_text_may_lie_anywhere_within_one_token()
    {
        Assert.True(Tokenizer.TryGetId("aces", out var aces));
        Assert.True(new StopTextSearch(Tokenizer, ["ce"]).Append(aces));
        Assert.False(new StopTextSearch(Tokenizer, ["ces "]).Append(aces));
    }

    [Fact]
    public void Text_is_cut_where_the_first_stop_text_begins()
    {
        Assert.Equal("one ", StopTextSearch.Cut("one two three", ["three", "two"]));
        Assert.Equal("one", StopTextSearch.Cut("one", ["two"]));
        Assert.Equal("", StopTextSearch.Cut("two", ["wo", "two"]));
        Assert.Equal("x", StopTextSearch.Cut("x", []));
    }

    [Fact]
    public void An_empty_stop_text_would_stop_everything_and_is_refused() =>
        Assert.Throws<ArgumentException>(() => new StopTextSearch(Tokenizer, ["a", ""]));

    // A character that is not complete yet is no text.
    private static string Whole(int[] ids) => Tokenizer.Decode(ids).TrimEnd('\uFFFD');
}
