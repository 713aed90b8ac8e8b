using System.Text;
using FsCheck.Fluent;
using Rollout.Actors.Settings;
using Rollout.Actors.Settings.Hocon;
using Xunit;

namespace Rollout.Actors.Tests.Settings;

/// <summary>What holds for every text and every tree.</summary>
public sealed class HoconPropertyTests
{
    private static string[] Seeds { get; } =
    [
        "a { b = 1, c = [1, 2, { d = x }] }\nbase { p = 1 }\nq = ${base.p}, r { s = \"t\" }\n",
        "s = \"x\\ny\" # c\nt = ${s} // d\nl = [1\n2]\n\"k.k\" { m : 5 }\n",
        "\"json\": [true, 1.5e-3, \"\\u00e9\"], \"o\": {}",
        "a = 1\nb { x = ${a}, y = ${b.x} }\nb { z = ${b.y} }\ninclude \"none.conf\"\n",
    ];

    private static string[] Splices { get; } =
    [
        "{", "}", "[", "]", "\"", "\"\"\"", "${", "${a}", "${?b.x}", "=", ":", "+=", ",", "\n", "#", "//", "\\", "\0", " ",
        "include ", "a", ".", "null", "é", "\uD800", "(", ")",
    ];

    [Fact]
    public void What_is_written_reads_back_the_same() =>
        Prop.ForAll(Generate.Object(3).ToArbitrary(), tree =>
            HoconTexts.Parse(HoconWriter.Write(tree)).ContentEquals(tree)
            && HoconTexts.Parse(HoconWriter.Write(tree, quoteAll: true)).ContentEquals(tree))
            .Holds(runs: 500);

    [Fact]
    public void A_damaged_text_is_read_or_refused_in_one_sentence_and_nothing_else()
    {
        var edits = Gen.ListOf(Gen.Zip(Gen.Choose(0, 400), Gen.Elements(Splices)));
        Prop.ForAll(Gen.Elements(Seeds).ToArbitrary(), edits.ToArbitrary(), (seed, changes) =>
        {
            var text = new StringBuilder(seed);
            foreach (var (at, splice) in changes)
            {
                // An odd place loses a character, an even one gains some.
                if (at % 2 == 1)
                    text.Remove(at % text.Length, 1);
                text.Insert(at % (text.Length + 1), splice);
            }

            try
            {
                HoconTexts.Parse(text.ToString());
            }
            catch (HoconException refusal)
            {
                return refusal.Message.StartsWith("text:", StringComparison.Ordinal)
                    && refusal.Message.Contains("expected", StringComparison.Ordinal)
                    && !refusal.Message.Contains('\n', StringComparison.Ordinal);
            }

            return true;
        }).Holds(runs: 3000);
    }

    [Fact]
    public void An_included_name_with_a_line_break_is_refused_in_one_line()
    {
        var refusal = Assert.Throws<HoconException>(
            () => HoconTexts.Parse("include \"no\\nne.conf\""));

        Assert.DoesNotContain('\n', refusal.Message);
    }

    [Fact]
    public void Damaged_bytes_of_a_job_file_are_refused_in_one_sentence_that_names_it()
    {
        using var folder = new TemporaryFolder();
        var reference = Encoding.UTF8.GetBytes(ConfigTree.Load().Render());
        var file = folder.At("job.conf");
        var edit = Gen.Zip(Gen.Choose(0, reference.Length - 1), Gen.Choose(0, 255));
        Prop.ForAll(Gen.ListOf(edit, 2).ToArbitrary(), edits =>
        {
            var bytes = reference.ToArray();
            foreach (var (at, value) in edits)
                bytes[at] = (byte)value;
            File.WriteAllBytes(file, bytes);
            try
            {
                RolloutSettings.From(ConfigTree.Load(file));
            }
            catch (ConfigurationException refusal)
            {
                return refusal.Message.StartsWith(file + ":", StringComparison.Ordinal);
            }

            return true;
        }).Holds(runs: 100);
    }
}
