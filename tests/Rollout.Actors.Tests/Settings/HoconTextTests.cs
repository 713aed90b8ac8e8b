using Rollout.Actors.Settings.Hocon;
using Xunit;

namespace Rollout.Actors.Tests.Settings;

/// <summary>What valid text means.</summary>
public sealed class HoconTextTests
{
    [Theory]
    [InlineData("a = 1", "a = 1")]
    [InlineData("a : 1", "a = 1")]
    [InlineData("\"a\": 1, \"b\": [1, 2.5, true, \"x\"]", "a = 1, b = [1, 2.5, true, x]")]
    [InlineData("# one\na = 1 # two\n// three\nb = 2 // four", "a = 1, b = 2")]
    [InlineData("a.b.c = 1", "a { b { c = 1 } }")]
    [InlineData("a { b = 1 }\na { c = 2 }\na.d = 3\na = { e = 4 }", "a { b = 1, c = 2, d = 3, e = 4 }")]
    [InlineData("\"a.b\" { \"c d\" = 1 }", "\"a.b\" { \"c d\" = 1 }")]
    [InlineData("a = one   two  # three", "a = \"one   two\"")]
    [InlineData("a = \"\\u00e9\\t\\/\"", "a = \"é\\t/\"")]
    [InlineData("a = \"\\ud83d\\ude00\"", "a = \"\U0001F600\"")]
    [InlineData("a = [\n  1\n  2,\n  3,\n]", "a = [1, 2, 3]")]
    [InlineData("a = [{ b = 1 }\n{ b = 2 }]", "a = [{ b = 1 }, { b = 2 }]")]
    [InlineData("x { y = 1 }, z = 1", "x { y = 1 }, z = 1")]
    [InlineData("a = 1e+6", "a = \"1e+6\"")]
    [InlineData("a = ../x/y.jsonl", "a = \"../x/y.jsonl\"")]
    [InlineData("include = 1", "\"include\" = 1")]
    [InlineData("a = 1,\n\n", "a = 1")]
    [InlineData("\uFEFFa = 1\r\nb = 2\r\n", "a = 1, b = 2")]
    [InlineData("", "")]
    public void Every_form_of_the_notation_has_its_meaning(string text, string same) =>
        AssertSame(same, HoconTexts.Parse(text));

    [Theory]
    [InlineData("a = ${b}\nb = 1", "a = 1, b = 1")]
    [InlineData("a { x = 1, y = ${ a.x } }", "a { x = 1, y = 1 }")]
    [InlineData("a = ${b}, b = ${c}, c = 1", "a = 1, b = 1, c = 1")]
    [InlineData("x = 1, l = [${x}, { y = ${x} }]", "x = 1, l = [1, { y = 1 }]")]
    public void A_substitution_is_the_text_of_the_key_that_it_names(string text, string same) =>
        AssertSame(same, HoconTexts.Parse(text));

    [Fact]
    public void A_substitution_takes_the_last_value_of_its_key()
    {
        using var folder = new TemporaryFolder();
        folder.Write("base.conf", "x = 1, y = ${x}");
        AssertSame("x = 2, y = 2", HoconTexts.Load(folder.Write("job.conf", "include \"base.conf\"\nx = 2")));
    }

    [Fact]
    public void An_included_file_is_relative_to_its_includer_and_later_keys_win()
    {
        using var folder = new TemporaryFolder();
        folder.Write("jobs/base/deep.conf", "a = 1, b = 1, c = 1");
        folder.Write("jobs/base.conf", "include \"base/deep.conf\"\nb = 2, c = 2");
        var job = folder.Write("jobs/job.conf", "include \"base.conf\"\nc = 3");
        AssertSame("a = 1, b = 2, c = 3", HoconTexts.Load(job));
    }

    [Fact]
    public void A_file_may_be_included_twice_and_within_an_object()
    {
        using var folder = new TemporaryFolder();
        folder.Write("part.conf", "x = 1");
        var job = folder.Write(
            "job.conf", "include \"part.conf\"\ninclude \"part.conf\"\na { include \"part.conf\" }");
        AssertSame("x = 1, a { x = 1 }", HoconTexts.Load(job));
    }

    [Fact]
    public void A_later_source_replaces_a_section_by_a_text_and_a_text_by_a_section()
    {
        using var folder = new TemporaryFolder();
        folder.Write("base.conf", "a = 1, b { c = 1 }");
        var job = folder.Write("job.conf", "include \"base.conf\"\na { x = 2 }\nb = 2");
        AssertSame("a { x = 2 }, b = 2", HoconTexts.Load(job));
    }

    [Fact]
    public void A_value_knows_its_place()
    {
        using var folder = new TemporaryFolder();
        folder.Write("part.conf", "\n\n  x = 1");
        var part = folder.At("part.conf");
        var job = folder.Write("job.conf", "include \"part.conf\"\n t = 3\n y = ${x}\nz =  2");
        var read = HoconTexts.Load(job);
        Assert.Equal((part, 3, 7), PlaceOf(read, "x"));
        Assert.Equal((part, 3, 7), PlaceOf(read, "y"));
        Assert.Equal((job, 4, 6), PlaceOf(read, "z"));
    }

    private static (string File, int Line, int Column) PlaceOf(HoconObject root, string key)
    {
        var origin = root.Fields[key].Origin;
        return (origin.Source.Name, origin.Line, origin.Column);
    }

    private static void AssertSame(string expected, HoconObject actual) => Assert.True(
        HoconTexts.Parse(expected).ContentEquals(actual),
        $"expected {expected}\nbut got\n{HoconWriter.Write(actual)}");
}
