using System.Text;
using Rollout.Actors.Settings.Hocon;
using Xunit;

namespace Rollout.Actors.Tests.Settings;

/// <summary>
/// Invalid text is refused with the place and with what was expected; the texts are what users see.
/// </summary>
public sealed class HoconErrorTests
{
    [Theory]
    [InlineData(
        "a { b = 1 }\n}",
        "job.conf:2:1: unexpected '}', expected a key or the end of the file, as no '{' is open")]
    [InlineData(
        "a {\n  b = 1\n",
        "job.conf:3:1: unexpected the end of the file, expected '}' for the '{' of line 1")]
    [InlineData(
        "a = [1, 2\n",
        "job.conf:2:1: unexpected the end of the file, expected ']' for the '[' of line 1")]
    [InlineData("a = [1, 2}", "job.conf:1:10: unexpected '}', expected ',' or ']' in the list")]
    [InlineData(
        "a { b = 1 ]",
        "job.conf:1:11: unexpected ']', expected ',' or a new line after the value, or quotes around all of it")]
    [InlineData("a { b = [1 }", "job.conf:1:12: unexpected '}', expected ',' or ']' in the list")]
    [InlineData("{ a = 1 }", "job.conf:1:1: unexpected '{', expected a key; a file has no braces around all of it")]
    [InlineData("[1, 2]", "job.conf:1:1: unexpected '[', expected a key")]
    [InlineData(
        "a = \"x\nb = 1",
        "job.conf:1:5: the text that begins here does not end, expected '\"' on the same line")]
    [InlineData(
        "a = \"\"\"x\ny\"\"\"",
        "job.conf:1:5: texts in \"\"\" are not supported, expected one line in \"…\" with \\n for a line break")]
    [InlineData("a\nb = 1", "job.conf:1:2: unexpected the end of the line, expected '=' or '{' after the key a")]
    [InlineData("a =\nb = 1", "job.conf:1:4: unexpected the end of the line, expected a value")]
    [InlineData("a =\n{ b = 1 }", "job.conf:1:4: unexpected the end of the line, expected a value")]
    [InlineData("a = ,", "job.conf:1:5: unexpected ',', expected a value")]
    [InlineData("a { b = }", "job.conf:1:9: unexpected '}', expected a value")]
    [InlineData(
        "a = 1 b = 2",
        "job.conf:1:9: unexpected '=', expected ',' or a new line after the value, or quotes around all of it")]
    [InlineData(
        "a = \"x\"y",
        "job.conf:1:8: unexpected 'y', expected ',' or a new line after the value, or quotes around all of it")]
    [InlineData(
        "a = [1] { }",
        "job.conf:1:9: unexpected '{', expected ',' or a new line after the value, or quotes around all of it")]
    [InlineData(
        "a = ${b}/x",
        "job.conf:1:9: unexpected '/x', expected ',' or a new line after the value, or quotes around all of it")]
    [InlineData("a,, b = 1", "job.conf:1:2: unexpected ',', expected '=' or '{' after the key a")]
    [InlineData("a = 1,, b = 1", "job.conf:1:7: unexpected ',', expected a key")]
    [InlineData("a = [1,,2]", "job.conf:1:8: unexpected ',', expected a value")]
    [InlineData("a b = 1", "job.conf:1:1: unexpected blank in the key 'a b', expected quotes around it")]
    [InlineData(
        "a..b = 1",
        "job.conf:1:1: expected a key on both sides of every '.'; a key in quotes stands alone: a { \"b.c\" = 1 }")]
    [InlineData(
        "a.\"b.c\" = 1",
        "job.conf:1:1: expected a key on both sides of every '.'; a key in quotes stands alone: a { \"b.c\" = 1 }")]
    [InlineData("a = x@y", "job.conf:1:6: unexpected '@', expected quotes around a text that holds it")]
    [InlineData("a += 1", "job.conf:1:3: '+=' is not supported, expected the whole list: key = [A, B]")]
    [InlineData("a = null", "job.conf:1:5: null is not supported, expected a value, or quotes around it")]
    [InlineData(
        "a = \"\\q\"",
        "job.conf:1:6: unexpected '\\', expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t, or \\u0001 to \\uFFFF")]
    [InlineData(
        "a = \"\\u00g0\"",
        "job.conf:1:6: unexpected '\\', expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t, or \\u0001 to \\uFFFF")]
    [InlineData(
        "a = \"\\ud800\"",
        "job.conf:1:5: the text has half of a surrogate pair, expected both \\u escapes")]
    [InlineData("a = 1\nb = x\0y", "job.conf:2:6: unexpected character U+0000, expected text")]
    [InlineData("a = 1\na = 2", "job.conf:2:5: a is set again, expected only the value of line 1")]
    [InlineData("a { b = 1 }\na.b = 2", "job.conf:2:7: b is set again, expected only the value of line 1")]
    [InlineData("a = 1\na { b = 2 }", "job.conf:2:3: a is set again, expected only the value of line 1")]
    [InlineData("a { b = 2 }\na = [1]", "job.conf:2:5: a is set again, expected only the value of line 1")]
    [InlineData("x = 1\na = ${x}\na = 2", "job.conf:3:5: a is set again, expected only the value of line 2")]
    public void Invalid_text_is_refused_in_one_sentence(string text, string message)
    {
        using var folder = new TemporaryFolder();
        var job = folder.Write("job.conf", text);
        Assert.Equal(message, ErrorOf(job).Replace(job, "job.conf"));
    }

    [Theory]
    [InlineData(
        "a = ${b}",
        "text:1:5: ${b} is not defined, expected a key from the root; give a variable of the environment by --set")]
    [InlineData(
        "a = ${a}", "text:1:5: ${a} leads back to itself or through more than 16 keys, expected a value")]
    [InlineData(
        "a = ${b}, b = ${a}", "text:1:5: ${b} leads back to itself or through more than 16 keys, expected a value")]
    [InlineData(
        "b = [1], a = ${b}", "text:1:5: expected a text or a number, as ${b} of text:1 stands for it")]
    [InlineData("a = ${?b}", "text:1:5: '${?…}' is not supported, expected ${path}; leave the key out or give it by --set")]
    [InlineData("a = ${b\n}", "text:1:5: the substitution does not end, expected '}' on the same line")]
    [InlineData("a = ${b c}", "text:1:5: unexpected ${b c}, expected ${path}, with the keys from the root joined by '.'")]
    [InlineData("a = ${}", "text:1:5: unexpected ${}, expected ${path}, with the keys from the root joined by '.'")]
    [InlineData("a = $b", "text:1:5: unexpected '$', expected quotes around a text that holds it")]
    public void A_substitution_that_leads_nowhere_is_refused(string text, string message) =>
        Assert.Equal(message, Assert.Throws<HoconException>(() => HoconTexts.Parse(text)).Message);

    [Fact]
    public void A_missing_include_is_named_with_the_place_of_its_statement()
    {
        using var folder = new TemporaryFolder();
        var job = folder.Write("job.conf", "a = 1\ninclude \"../none.conf\"");
        Assert.Equal(
            $"{job}:2:9: cannot include {folder.Path}/../none.conf: expected a file, but there is none",
            ErrorOf(job));
    }

    [Fact]
    public void A_file_that_includes_itself_is_refused()
    {
        using var folder = new TemporaryFolder();
        var job = folder.Write("job.conf", "include \"other.conf\"");
        var other = folder.Write("other.conf", "\n a { include \"job.conf\" }");
        Assert.Equal($"{other}:2:14: cannot include {job}: it includes itself, expected another file", ErrorOf(job));
    }

    [Theory]
    [InlineData(
        "include file(\"x\")",
        "job.conf:1:1: expected include \"FILE\", with nothing but quotes around the name")]
    [InlineData("include x.conf", "job.conf:1:1: expected include \"FILE\", with nothing but quotes around the name")]
    [InlineData("include \"\"", "job.conf:1:9: expected the name of a file to include")]
    public void An_include_statement_names_one_file(string text, string message)
    {
        using var folder = new TemporaryFolder();
        var job = folder.Write("job.conf", text);
        Assert.Equal(message, ErrorOf(job).Replace(job, "job.conf"));
    }

    [Fact]
    public void A_job_file_that_is_not_there_or_no_file_is_refused()
    {
        using var folder = new TemporaryFolder();
        Assert.Equal($"{folder.At("x.conf")}: expected a file, but there is none", ErrorOf(folder.At("x.conf")));
        Assert.Equal($"{folder.Path}: it is a folder, expected a file", ErrorOf(folder.Path));
    }

    [Fact]
    public void Bytes_that_are_not_UTF8_are_refused()
    {
        using var folder = new TemporaryFolder();
        var file = folder.At("job.conf");
        File.WriteAllBytes(file, [.. Encoding.UTF8.GetBytes("a = 1\nbé = "), 0xFF]);
        Assert.Equal($"{file}:2:6: unexpected byte 0xFF, expected UTF-8", ErrorOf(file));
    }

    [Fact]
    public void A_file_without_end_is_refused() =>
        Assert.All(
            Directory.GetFiles("/dev", "zero"),
            file => Assert.Equal("/dev/zero: expected at most 1048576 bytes", ErrorOf(file)));

    public static TheoryData<string> Bombs => new(
        new string('[', 100_000),
        string.Concat(Enumerable.Repeat("a{", 100_000)),
        string.Concat(Enumerable.Repeat("a.", 100_000)) + "a = 1",
        "a = ${" + string.Concat(Enumerable.Repeat("a.", 100_000)) + "a}",
        string.Concat(Enumerable.Range(0, 20_000).Select(i => $"a{i} = ${{a{i + 1}}}\n")) + "a20000 = 1",
        "a0 = 1\nb = [" + string.Concat(Enumerable.Repeat("${a0},", 100_000)) + "]",
        string.Concat(Enumerable.Repeat("a += 1\n", 100_000)));

    [Theory]
    [MemberData(nameof(Bombs))]
    public void Text_that_would_take_all_memory_or_stack_is_refused(string text)
    {
        // A small stack, to be far from its end where the default one is near.
        HoconException? error = null;
        var thread = new Thread(
            () => error = Record.Exception(() => HoconTexts.Parse(text)) as HoconException,
            maxStackSize: 512 << 10);
        thread.Start();
        Assert.True(thread.Join(TimeSpan.FromSeconds(20)));
        Assert.NotNull(error);
        Assert.InRange(error.Message.Length, 1, 1000);
    }

    private static string ErrorOf(string file) =>
        Assert.Throws<HoconException>(() => HoconTexts.Load(file)).Message;
}
