using Rollout.Actors.Settings.Hocon;
using Xunit;

namespace Rollout.Actors.Tests.Settings;

/// <summary>What valid text means.</summary>
public sealed class HoconTextTests
{
    [Theory]
    [InlineData("a = 1", "a = 1")]
    [InlineData("a : 1", "a = 1")]
    [InlineData("{ \"a\": 1, \"b\": [1, 2.5, true, \"x\"] }", "a = 1, b = [1, 2.5, true, x]")]
    [InlineData("# one\na = 1 # two\n// three\nb = 2 // four", "a = 1, b = 2")]
    [InlineData("a.b.c = 1", "a { b { c = 1 } }")]
    [InlineData("a { b = 1 }\na { c = 2 }\na.d = 3", "a { b = 1, c = 2, d = 3 }")]
    [InlineData("\"a.b\".\"c d\" = 1", "\"a.b\" { \"c d\" = 1 }")]
    [InlineData("a.\"b.c\".d = 1", "a { \"b.c\" { d = 1 } }")]
    [InlineData("a = one   two", "a = \"one   two\"")]
    [InlineData("a = \"one\"two \"three\"  ", "a = \"onetwo three\"")]
    [InlineData("a = \"\"\"x \"y\" \\n\"\"\"\"", "a = \"x \\\"y\\\" \\\\n\\\"\"")]
    [InlineData("a = \"\"\"x\ny\"\"\"\nb = 1", "a = \"x\\ny\", b = 1")]
    [InlineData("a = \"\\u00e9\\t\\/\"", "a = \"é\\t/\"")]
    [InlineData("a = [\n  1\n  2,\n  3,\n]", "a = [1, 2, 3]")]
    [InlineData("a =\n{ b = 1 }", "a { b = 1 }")]
    [InlineData("x { y = 1 }, z = 1", "x { y = 1 }, z = 1")]
    [InlineData("a = 1e+6", "a = \"1e+6\"")]
    [InlineData("include = 1", "\"include\" = 1")]
    [InlineData("a = 1,\n\n", "a = 1")]
    [InlineData("\uFEFFa = 1\r\nb = 2\r\n", "a = 1, b = 2")]
    [InlineData("", "{}")]
    public void Every_form_of_the_notation_has_its_meaning(string text, string same) =>
        AssertSame(same, text);

    [Theory]
    [InlineData("a = ${b}\nb = 1", "a = 1, b = 1")]
    [InlineData("b = x, a = \"is \"${b}\", \"${b} y", "b = x, a = \"is x, x y\"")]
    [InlineData("base { p = 1, q = 2 }, d = ${base} { q = 3 }", "base { p = 1, q = 2 }, d { p = 1, q = 3 }")]
    [InlineData("base { p = 1 }, d = { p = 2, q = 2 } ${base}", "base { p = 1 }, d { p = 1, q = 2 }")]
    [InlineData(
        "base { p { x = 1 } }, d = ${base}\nd.p.y = 2",
        "base { p { x = 1 } }, d { p { x = 1, y = 2 } }")]
    [InlineData("base { p = 1 }, d = ${base} { q = ${d.p}/x }", "base { p = 1 }, d { p = 1, q = 1/x }")]
    [InlineData("l = [1], m = ${l} [2] ${l}", "l = [1], m = [1, 2, 1]")]
    [InlineData("l = [1], l = ${l} [2]", "l = [1, 2]")]
    [InlineData("l = [1], l += 2, l += {a = 3}", "l = [1, 2, { a = 3 }]")]
    [InlineData("l += 1", "l = [1]")]
    [InlineData("o { l += 1 }, o { l += 2 }", "o { l = [1, 2] }")]
    [InlineData("base { l = [1] }, d = ${base} { l += 2 }", "base { l = [1] }, d { l = [1, 2] }")]
    [InlineData("base { l = [1] }, d = ${base} { l = ${d.l} [2] }", "base { l = [1] }, d { l = [1, 2] }")]
    [InlineData("p = a, p = ${p}\":b\"", "p = \"a:b\"")]
    [InlineData("a { x = 1, y = ${a.x} }", "a { x = 1, y = 1 }")]
    [InlineData("bar { foo = 42, baz = ${bar.foo} }", "bar { foo = 42, baz = 42 }")]
    [InlineData("foo { a { c = 1 } }, foo = ${foo.a}, foo { a = 2 }", "foo { a = 2, c = 1 }")]
    [InlineData("a = 1, a = ${?none}", "a = 1")]
    [InlineData("a = ${?none}, b = 1", "b = 1")]
    [InlineData("a = ${?none}x", "a = x")]
    [InlineData("a = [1, ${?none}, 2]", "a = [1, 2]")]
    [InlineData("a = ${?none} [1]", "a = [1]")]
    [InlineData("a = ${ \"b.c\".d }, \"b.c\" { d = 1 }", "a = 1, \"b.c\" { d = 1 }")]
    public void Substitutions_follow_the_specification(string text, string same) => AssertSame(same, text);

    [Fact]
    public void A_variable_of_the_environment_answers_where_no_key_does()
    {
        var read = HoconText.Parse(
            "key = 1, a = ${key}, b = ${HOME_OF_TEST}, c = 1, c = ${?STEPS_OF_TEST}, d = ${?NONE}",
            environment: name => name switch
            {
                "key" => "not this",
                "HOME_OF_TEST" => "/home",
                "STEPS_OF_TEST" => "7",
                _ => null,
            });
        AssertSame("key = 1, a = 1, b = \"/home\", c = 7", read);
    }

    [Fact]
    public void An_included_file_may_be_overridden_and_comes_from_the_folder_of_its_includer()
    {
        using var folder = new TemporaryFolder();
        folder.Write("jobs/base/deep.conf", "a = 1, b = 1, c = 1");
        folder.Write("jobs/base.conf", "include file(\"base/deep.conf\")\nb = 2, c = 2");
        var job = folder.Write("jobs/job.conf", "include required(file(\"base.conf\"))\nc = 3");
        AssertSame("a = 1, b = 2, c = 3", HoconText.Load(job));
    }

    [Fact]
    public void A_substitution_of_a_file_that_is_included_in_an_object_looks_there_first()
    {
        using var folder = new TemporaryFolder();
        folder.Write("part.conf", "x = 1, y = ${x}, z = ${top}");
        var job = folder.Write("job.conf", "x = 9, top = 5\nin { include \"part.conf\", x = 2 }");
        AssertSame("x = 9, top = 5, in { x = 2, y = 2, z = 5 }", HoconText.Load(job));
    }

    [Fact]
    public void A_file_included_twice_is_no_duplicate_and_no_cycle()
    {
        using var folder = new TemporaryFolder();
        folder.Write("part.conf", "x = 1");
        var job = folder.Write(
            "job.conf", "include \"part.conf\"\ninclude \"part.conf\"\na { include \"part.conf\" }");
        AssertSame("x = 1, a { x = 1 }", HoconText.Load(job));
    }

    [Fact]
    public void A_value_knows_its_place()
    {
        using var folder = new TemporaryFolder();
        folder.Write("part.conf", "\n\n  x = 1");
        var job = folder.Write("job.conf", "include \"part.conf\"\n t = \"\"\"a\nb\"\"\"\n y = ${x}\nz =  2");
        var read = HoconText.Load(job);
        Assert.Equal($"{folder.At("part.conf")}:3:7", read.Fields["x"].Origin.Exact);
        Assert.Equal($"{folder.At("part.conf")}:3:7", read.Fields["y"].Origin.Exact);
        Assert.Equal($"{job}:5:6", read.Fields["z"].Origin.Exact);
    }

    private static void AssertSame(string expected, string actual) =>
        AssertSame(expected, HoconText.Parse(actual));

    private static void AssertSame(string expected, HoconObject actual)
    {
        Assert.True(
            HoconText.Parse(expected).ContentEquals(actual),
            $"expected {expected}\nbut got\n{HoconWriter.Write(actual)}");
    }
}
