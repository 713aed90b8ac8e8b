using FsCheck.Fluent;
using Rollout.Actors.Settings;
using Rollout.Actors.Settings.Hocon;
using Xunit;

namespace Rollout.Actors.Tests.Settings;

/// <summary>Layers, known keys, paths, and what is written back.</summary>
public sealed class ConfigTreeTests
{
    [Fact]
    public void The_command_line_wins_over_the_file_and_the_file_over_the_reference()
    {
        using var folder = new TemporaryFolder();
        folder.Write("base.conf", "rollout { train { steps = 5, beta = 0.5 }, threads = 3 }");
        var job = folder.Write("job.conf", "include \"base.conf\"\nrollout.train.steps = 6\nrollout.seed = 9");
        var settings = RolloutSettings.From(ConfigTree.Load(
            job, ["train.steps=7", "rollout.train.steps=8", "seed = 10"]));
        Assert.Equal(8, settings.Train.Steps);
        Assert.Equal(10ul, settings.Seed);
        Assert.Equal(0.5, settings.Train.Loss.Beta);
        Assert.Equal(3, settings.Threads);
        Assert.Equal(16, settings.Train.PromptsPerStep);
    }

    [Fact]
    public void A_value_of_the_command_line_is_text_or_HOCON()
    {
        var settings = RolloutSettings.From(ConfigTree.Load(null,
        [
            "device=cuda:1", "data.jsonl.train=",
            "data.jsonl.prefix=a # \"b\" = c//d", "data.jsonl.suffix=\" x\"",
            "rewards=[{ type = keyword, text = \"a,b\" }]",
            "train.num-generations=${rollout.train.prompts-per-step}",
        ]));
        Assert.Equal("cuda:1", settings.Device);
        Assert.Equal("a # \"b\" = c//d", Jsonl(settings).Prefix);
        Assert.Equal(" x", Jsonl(settings).Suffix);
        Assert.Equal("", Jsonl(settings).Train);
        Assert.Equal(16, settings.Train.NumGenerations);
        Assert.Equal("a,b", Assert.Single(settings.Rewards).Options.ReadRest()["text"]);
    }

    [Fact]
    public void A_file_may_build_on_values_of_the_reference_whoever_sets_them_last()
    {
        using var folder = new TemporaryFolder();
        var job = folder.Write("job.conf", "rollout.train.num-generations = ${rollout.train.prompts-per-step}");
        Assert.Equal(16, RolloutSettings.From(ConfigTree.Load(job)).Train.NumGenerations);
        Assert.Equal(4, RolloutSettings.From(ConfigTree.Load(job, ["train.prompts-per-step=4"])).Train.NumGenerations);
        Assert.Equal(0.3, RolloutSettings.From(ConfigTree.Load(job, ["train.epsilon=0.3"])).Train.Loss.EpsilonHigh);
    }

    [Fact]
    public void A_section_on_the_command_line_adds_its_keys_to_those_of_the_file()
    {
        var settings = RolloutSettings.From(ConfigTree.Load(null, ["data.keyword={ prompts = 5 }"]));
        var keyword = (KeywordSettings)settings.Data.Sections[DatasetType.Keyword];
        Assert.Equal((5, "abcdefghij"), (keyword.Prompts, keyword.Alphabet));
    }

    [Theory]
    [InlineData("rollout.seed = 2\nakka.loglevel = LOUD", "job.conf:2: akka.loglevel = \"LOUD\": expected one of OFF, ERROR, WARNING, INFO, DEBUG")]
    [InlineData("akka { stdout-loglevel = 3 }", "job.conf:1: akka.stdout-loglevel = 3: expected one of OFF, ERROR, WARNING, INFO, DEBUG")]
    public void A_log_level_that_Akka_does_not_have_is_refused_with_its_place(string text, string message)
    {
        using var folder = new TemporaryFolder();
        var job = folder.Write("job.conf", text);
        var error = Assert.Throws<ConfigurationException>(() => ConfigTree.Load(job));
        Assert.Equal(message, error.Message.Replace(job, "job.conf"));
    }

    [Fact]
    public void A_value_that_the_reference_substitutes_is_blamed_where_it_is_written()
    {
        using var folder = new TemporaryFolder();
        var job = folder.Write("job.conf", "rollout {\n  train.epsilon = [0.2] }");
        var error = Assert.Throws<ConfigurationException>(() => ConfigTree.Load(job));
        Assert.StartsWith(
            $"{job}:2:19: expected a text or a number, as ${{rollout.train.epsilon}} of reference.conf:", error.Message);
    }

    [Theory]
    [InlineData("", "job.conf: rollout.model.path is not set: expected the folder of a model")]
    [InlineData("rollout.model.path = m\nrollout.rewards = []", "job.conf:2: rollout.rewards = […]: expected at least one reward")]
    public void A_missing_key_is_said_of_the_job_file_and_not_of_the_reference(string text, string message)
    {
        using var folder = new TemporaryFolder();
        var job = folder.Write("job.conf", text);
        var tree = ConfigTree.Load(job);
        var error = Assert.Throws<ConfigurationException>(() => RolloutSettings.ForTraining(tree));
        Assert.Equal(message, error.Message.Replace(job, "job.conf"));
        Assert.Equal(
            $"{job}: rollout.sampling.max-tokens = 64 by default: expected less",
            tree.Rollout.Section("sampling").Invalid("max-tokens", "less").Message);
        Assert.Equal(
            $"{job}: rollout.cluster.seed-nodes is not set: expected one",
            tree.Rollout.Section("cluster").Invalid("seed-nodes", "one").Message);
    }

    [Theory]
    [InlineData(
        "rollout {\n  decoder { max-num-seq = 3 }\n}",
        "job.conf:2: rollout.decoder.max-num-seq is not a known key; did you mean max-num-seqs?")]
    [InlineData(
        "rollout.train.max_num_seqs = 3",
        "job.conf:1: rollout.train.max_num_seqs is not a known key; did you mean rollout.decoder.max-num-seqs?")]
    [InlineData("train { steps = 3 }", "job.conf:1: train is not a known key; did you mean rollout.train?")]
    [InlineData(
        "rollout.barrier.patience = 3",
        "job.conf:1: rollout.barrier.patience is not a known key; expected one of timeout, transfer-timeout, transfer-port")]
    [InlineData(
        "other = 3",
        "job.conf:1: other is not a known key; expected everything in rollout { } or akka { }")]
    [InlineData("rollout.train = 3", "job.conf:1: rollout.train = 3: expected a section in braces")]
    [InlineData("rollout = [1]", "job.conf:1: rollout = […]: expected a section in braces")]
    [InlineData("akka = off", "job.conf:1: akka = \"off\": expected a section in braces")]
    public void A_key_that_nobody_reads_is_refused_with_the_nearest_one(string text, string message)
    {
        using var folder = new TemporaryFolder();
        var job = folder.Write("job.conf", text);
        var error = Assert.Throws<ConfigurationException>(() => ConfigTree.Load(job));
        Assert.Equal(message, error.Message.Replace(job, "job.conf"));
    }

    [Theory]
    [InlineData("steps", "--set steps: expected key=value")]
    [InlineData("train.stepps=3", "--set: rollout.train.stepps is not a known key; did you mean steps?")]
    [InlineData("=3", "--set: character 1: unexpected the end of the argument, expected a key")]
    [InlineData("a b=3", "--set: character 1: unexpected blank in the key 'a b', expected quotes around it")]
    [InlineData(
        "rewards=[{ type = x",
        "--set: character 20: unexpected the end of the argument, expected '}' for the '{' of line 1")]
    [InlineData(
        "rewards=[] x",
        "--set: character 12: unexpected 'x', expected the end of the argument after the value")]
    [InlineData(
        "rewards=[],",
        "--set: character 11: unexpected ',', expected the end of the argument after the value")]
    public void An_argument_that_cannot_be_read_is_refused(string argument, string message) =>
        Assert.Equal(
            message, Assert.Throws<ConfigurationException>(() => ConfigTree.Load(null, [argument])).Message);

    [Fact]
    public void A_path_is_relative_to_its_file_or_on_the_command_line_to_the_current_folder()
    {
        using var folder = new TemporaryFolder();
        folder.Write(
            "jobs/base/base.conf", "rollout { model.path = \"../../models/m\", data.jsonl.train = t.jsonl }");
        var job = folder.Write("jobs/job.conf", """
            include "base/base.conf"
            rollout.data.jsonl.held-out = h.txt
            rollout.rewards = [{ type = Own.Reward, assembly = "bin/Own.dll" }]
            """);
        var settings = RolloutSettings.From(ConfigTree.Load(job));
        Assert.Equal(folder.At("models/m"), settings.Model.Path);
        Assert.Equal(folder.At("jobs/base/t.jsonl"), Jsonl(settings).Train);
        Assert.Equal(folder.At("jobs/h.txt"), Jsonl(settings).HeldOut);
        Assert.Equal(folder.At("jobs/bin/Own.dll"), settings.Rewards[0].Options.ReadRest()["assembly"]);

        var fromHere = RolloutSettings.From(ConfigTree.Load(job, ["model.path=m", "data.jsonl.held-out="]));
        Assert.Equal(Path.Combine(Directory.GetCurrentDirectory(), "m"), fromHere.Model.Path);
        Assert.Equal("", Jsonl(fromHere).HeldOut);
    }

    [Fact]
    public void The_rendered_configuration_reads_back_as_the_same_from_any_folder()
    {
        using var folder = new TemporaryFolder();
        var job = folder.Write("jobs/job.conf", """
            rollout {
              model.path = "../models/m # \"x\""
              data { type = jsonl, jsonl { train = "a b.jsonl", prefix = "\n\t${x}" } }
              rewards = [{ type = keyword, text = " \" " }, { type = length, weight = 2, target = 5 }]
            }
            akka { loglevel = INFO, "a.b" { c = [] , d {} } }
            """);
        var tree = ConfigTree.Load(job, ["seed=7"]);
        var again = ConfigTree.Load(folder.Write("out/config.conf", tree.Render()));
        Assert.True(tree.Root.ContentEquals(again.Root), again.Render());
        Assert.Equal(tree.Render(), again.Render());
    }

    [Fact]
    public void Akka_reads_its_rendered_section_as_it_was_written()
    {
        using var folder = new TemporaryFolder();
        var tree = ConfigTree.Load(folder.Write("job.conf", """
            akka {
              actor.provider = cluster
              loglevel = "INFO"
              remote.dot-netty.tcp { port = 8081, hostname = "127.0.0.1", public-hostname = "" }
              cluster { seed-nodes = ["akka.tcp://rollout@127.0.0.1:8081", "akka.tcp://rollout@h:2"], roles = [] }
              actor.deployment { "/a/b c" { nr-of-instances = 3 } }
              actor.serialization-bindings { "Rollout.Actors.IMessage, Rollout.Actors" = rollout }
              text = "a \"b\" \\ \n { } [ ] # ${x} // =", wait = 500ms, on = on
            }
            """));
        var akka = Akka.Configuration.ConfigurationFactory.ParseString(tree.RenderAkka());
        Assert.Equal("cluster", akka.GetString("akka.actor.provider"));
        Assert.Equal(8081, akka.GetInt("akka.remote.dot-netty.tcp.port"));
        Assert.Equal("", akka.GetString("akka.remote.dot-netty.tcp.public-hostname", "unset"));
        Assert.Equal(
            ["akka.tcp://rollout@127.0.0.1:8081", "akka.tcp://rollout@h:2"],
            akka.GetStringList("akka.cluster.seed-nodes"));
        Assert.Empty(akka.GetStringList("akka.cluster.roles"));
        Assert.Equal(3, akka.GetInt("akka.actor.deployment.\"/a/b c\".nr-of-instances"));
        var binding = Assert.Single(akka.GetConfig("akka.actor.serialization-bindings").AsEnumerable());
        Assert.Equal("Rollout.Actors.IMessage, Rollout.Actors", binding.Key);
        Assert.Equal("rollout", binding.Value.GetString());
        Assert.Equal("a \"b\" \\ \n { } [ ] # ${x} // =", akka.GetString("akka.text"));
        Assert.Equal(TimeSpan.FromMilliseconds(500), akka.GetTimeSpan("akka.wait"));
        Assert.True(akka.GetBoolean("akka.on"));
    }

    [Fact]
    public void Akka_reads_any_text_that_is_rendered_for_it() =>
        Prop.ForAll(Generate.Text.ToArbitrary(), text =>
        {
            var value = Generate.Scalar(text);
            var rendered = HoconWriter.Write(Generate.ObjectOf([("a", value), ("b", value)]), quoteAll: true);
            var read = Akka.Configuration.ConfigurationFactory.ParseString(rendered);
            // Akka's GetString trims every text and takes "null" for none, quotes or not.
            var expected = text.Trim() == "null" ? null : text.Trim();
            return read.GetString("a", "unset") == expected && read.GetString("b", "unset") == expected;
        }).Holds(runs: 500);

    [Fact]
    public void Without_an_akka_section_nothing_is_rendered_for_it() =>
        Assert.Equal("", ConfigTree.Load().RenderAkka());

    private static FileSettings Jsonl(RolloutSettings settings) => (FileSettings)settings.Data.Sections[DatasetType.Jsonl];
}
