using Rollout.Actors.Settings;
using Rollout.Actors.Settings.Hocon;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Settings;

/// <summary>Types, units, ranges, and the jobs that come with the product.</summary>
public sealed class RolloutSettingsTests
{
    [Fact]
    public void Every_key_of_the_reference_is_read_and_no_other()
    {
        var tree = ConfigTree.Load();
        RolloutSettings.From(tree);
        var reference = (HoconObject)tree.Reference.Fields["rollout"];
        var known = Leaves(reference, "rollout").ToHashSet();
        var read = tree.ReadKeys.Where(key => !key.Contains('[')).ToHashSet();
        Assert.Empty(known.Except(read));
        Assert.Empty(read.Except(known).Except(Sections(reference, "rollout")));
    }

    [Fact]
    public void The_reference_has_the_right_types()
    {
        var settings = RolloutSettings.From(ConfigTree.Load());
        Assert.Equal(CacheEngine.Paged, settings.Engine);
        Assert.Equal(WeightType.Float32, settings.Dtype);
        Assert.Equal(256L << 20, settings.Blocks.Memory);
        Assert.True(settings.Blocks.PrefixCaching);
        Assert.Equal(TimeSpan.FromMinutes(30), settings.Scheduler.GroupTimeout);
        Assert.Equal(TimeSpan.FromSeconds(60), settings.Barrier.Timeout);
        Assert.Equal(LossRecipe.Of(LossType.Dapo), settings.Train.Loss);
        Assert.Equal(1e-8, settings.Train.AdamEpsilon);
        Assert.Equal(["scheduler", "decoder", "trainer"], settings.Cluster.Roles);
        Assert.Equal("", settings.Model.Path);
    }

    [Theory]
    [InlineData("train.steps=ten", "--set: rollout.train.steps = \"ten\": expected a whole number")]
    [InlineData("train.steps=1.5", "--set: rollout.train.steps = 1.5: expected a whole number")]
    [InlineData("train.steps=1e-30", "--set: rollout.train.steps = 1e-30: expected a whole number")]
    [InlineData("train.steps=", "--set: rollout.train.steps = \"\": expected a whole number")]
    [InlineData("train.steps=[3]", "--set: rollout.train.steps = […]: expected a whole number")]
    [InlineData("train.steps={}", "--set: rollout.train.steps = {…}: expected a whole number")]
    [InlineData("train.steps=0", "--set: rollout.train.steps = 0: expected a whole number of at least 1")]
    [InlineData(
        "train.steps=3000000000",
        "--set: rollout.train.steps = 3000000000: expected a whole number of at most 2147483647")]
    [InlineData(
        "scheduler.lookahead-seqs=2147483647",
        "--set: rollout.scheduler.lookahead-seqs = 2147483647: expected a whole number from 0 to 1000000")]
    [InlineData("seed=-1", "--set: rollout.seed = -1: expected a whole number of at least 0")]
    [InlineData(
        "cluster.port=70000",
        "--set: rollout.cluster.port = 70000: expected a whole number from 0 to 65535")]
    [InlineData(
        "sampling.top-p=0",
        "--set: rollout.sampling.top-p = 0: expected a number above 0 and at most 1")]
    [InlineData(
        "sampling.temperature=-0.1",
        "--set: rollout.sampling.temperature = -0.1: expected a number from 0 to 100")]
    [InlineData(
        "train.adam-beta1=1",
        "--set: rollout.train.adam-beta1 = 1: expected a number of at least 0 and below 1")]
    [InlineData("train.adam-epsilon=0", "--set: rollout.train.adam-epsilon = 0: expected a number above 0")]
    [InlineData("train.beta=NaN", "--set: rollout.train.beta = \"NaN\": expected a number")]
    [InlineData("train.beta=1e999", "--set: rollout.train.beta = 1e999: expected a number")]
    [InlineData("train.beta=1,5", "--set: rollout.train.beta = \"1,5\": expected a number")]
    [InlineData("engine=padded", "--set: rollout.engine = \"padded\": expected one of paged, contiguous")]
    [InlineData("engine=Paged", "--set: rollout.engine = \"Paged\": expected one of paged, contiguous")]
    [InlineData(
        "train.loss-type=drgrpo",
        "--set: rollout.train.loss-type = \"drgrpo\": expected one of grpo, dr-grpo, bnpo, dapo, gspo, cispo, sapo, rloo, reinforce++, reinforce++-baseline")]
    [InlineData("device=gpu", "--set: rollout.device = \"gpu\": expected cpu, cuda or cuda:N")]
    [InlineData("blocks.prefix-caching=1", "--set: rollout.blocks.prefix-caching = 1: expected on or off")]
    [InlineData(
        "blocks.memory=1MBit",
        "--set: rollout.blocks.memory = \"1MBit\": expected a size with its unit (B, kB, MB, GB, TB, KiB, MiB, GiB or TiB), such as 256MiB or 1GB")]
    [InlineData(
        "blocks.memory=32",
        "--set: rollout.blocks.memory = 32: expected a size with its unit (B, kB, MB, GB, TB, KiB, MiB, GiB or TiB), such as 256MiB or 1GB")]
    [InlineData("blocks.memory=0B", "--set: rollout.blocks.memory = \"0B\": expected a size of at least 1 byte")]
    [InlineData(
        "barrier.timeout=60",
        "--set: rollout.barrier.timeout = 60: expected a duration with its unit (ms, s, m, h or d), such as 500ms or 10m")]
    [InlineData(
        "barrier.timeout=0s",
        "--set: rollout.barrier.timeout = \"0s\": expected a duration from 1ms to 24d")]
    [InlineData(
        "barrier.timeout=1000000h",
        "--set: rollout.barrier.timeout = \"1000000h\": expected a duration from 1ms to 24d")]
    [InlineData(
        "barrier.timeout=infinite",
        "--set: rollout.barrier.timeout = \"infinite\": expected a duration with its unit (ms, s, m, h or d), such as 500ms or 10m")]
    [InlineData(
        "decoder.max-num-batched-tokens=255",
        "--set: rollout.decoder.max-num-batched-tokens = 255: expected at least max-num-seqs, which is 256")]
    [InlineData(
        "data.type=jsonl",
        "rollout.data.jsonl.train is not set: expected a file of training prompts, as the type of data is jsonl")]
    [InlineData(
        "cluster.roles=[decoder, decoder]",
        "--set: rollout.cluster.roles = […]: expected a list of scheduler, decoder or trainer, each at most once")]
    [InlineData(
        "cluster.roles=decoder",
        "--set: rollout.cluster.roles = \"decoder\": expected a list of texts")]
    [InlineData(
        "rewards=keyword",
        "--set: rollout.rewards = \"keyword\": expected a list of sections in brackets")]
    [InlineData("rewards=[keyword]", "--set: rollout.rewards[0] = \"keyword\": expected a section in braces")]
    [InlineData(
        "rewards=[{ typ = keyword }]",
        "--set: rollout.rewards[0] has no type, expected { type = NAME }")]
    [InlineData(
        "rewards=[{ type = a }, { type = b, weight = x }]",
        "--set: rollout.rewards[1].weight = \"x\": expected a number")]
    [InlineData(
        "rewards=[{ type = a }, { type = a }]",
        "--set: rollout.rewards[1].type = \"a\": expected a name that no other reward has, as metrics are written by it")]
    [InlineData(
        "rewards=[{ type = a }, { type = b, name = a }]",
        "--set: rollout.rewards[1].name = \"a\": expected a name that no other reward has, as metrics are written by it")]
    public void A_value_that_does_not_do_is_refused_with_its_place_and_what_was_expected(
        string argument, string message)
    {
        var error = Assert.Throws<ConfigurationException>(() => With(argument));
        Assert.Equal(message, error.Message);
    }

    [Fact]
    public void A_wrong_value_of_a_file_is_named_with_its_line()
    {
        using var folder = new TemporaryFolder();
        folder.Write("base.conf", "\nrollout.train.steps = ten");
        var job = folder.Write("job.conf", "include \"base.conf\"");
        var error = Assert.Throws<ConfigurationException>(() => RolloutSettings.From(ConfigTree.Load(job)));
        Assert.Equal(
            $"{folder.At("base.conf")}:2: rollout.train.steps = \"ten\": expected a whole number", error.Message);
    }

    [Theory]
    [InlineData("500ms", 0.5)]
    [InlineData("500 ms", 0.5)]
    [InlineData("1e2s", 100)]
    [InlineData("2m", 120)]
    [InlineData("1.5h", 5400)]
    [InlineData("1d", 86400)]
    public void A_duration_has_any_unit(string text, double seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), With($"barrier.timeout={text}").Barrier.Timeout);

    [Theory]
    [InlineData("128000B", 128000)]
    [InlineData("4MiB", 4L << 20)]
    [InlineData("4 MB", 4_000_000)]
    [InlineData("1kB", 1000)]
    [InlineData("1.5GiB", 3L << 29)]
    [InlineData("2TB", 2_000_000_000_000)]
    public void A_size_has_any_unit(string text, long bytes) =>
        Assert.Equal(bytes, With($"blocks.memory={text}").Blocks.Memory);

    [Theory]
    [InlineData("1e6", 1_000_000)]
    [InlineData("+5", 5)]
    [InlineData("\"7\"", 7)]
    [InlineData("2147483647", int.MaxValue)]
    public void A_whole_number_may_have_an_exponent(string text, int steps) =>
        Assert.Equal(steps, With($"train.steps={text}").Train.Steps);

    [Theory]
    [InlineData("on", true)]
    [InlineData("true", true)]
    [InlineData("false", false)]
    public void On_and_off_are_also_true_and_false(string text, bool on) =>
        Assert.Equal(on, With($"sampling.ignore-eos={text}").Sampling.IgnoreEos);

    [Fact]
    public void The_largest_seed_is_kept_exactly() =>
        Assert.Equal((ulong)long.MaxValue, With($"seed={long.MaxValue}").Seed);

    [Fact]
    public void The_update_rule_takes_the_sampling_into_account()
    {
        var settings = With(
            "sampling.temperature=0.7", "sampling.max-tokens=9", "train.loss-type=dr-grpo");
        var options = settings.Train.ToGrpoOptions(settings.Sampling, settings.Seed);
        Assert.Equal((0.7, 9, LossRecipe.Of(LossType.DrGrpo)),
            (options.Temperature, options.MaxCompletionLength, options.Loss));
        Assert.Equal((1, 16384), (options.NumIterations, options.MicroBatchTokens));
        Assert.Equal(
            (1e-6, 0, 0.0, 1.0),
            (options.LearningRate, options.WarmupSteps, options.WeightDecay, options.MaxGradNorm));
        Assert.Equal((0.9, 0.999, 1e-8), (options.AdamBeta1, options.AdamBeta2, options.AdamEpsilon));
    }

    [Fact]
    public void A_schedule_is_spread_over_the_optimizer_steps_of_the_run()
    {
        var settings = With(
            "train.steps=10", "train.prompts-per-step=12", "train.mini-batch-prompts=3", "train.num-iterations=2",
            "train.lr-schedule=cosine", "train.learning-rate=1e-3", "train.min-learning-rate=1e-4");
        var options = settings.Train.ToGrpoOptions(settings.Sampling, seed: 5);

        Assert.Equal((80, 3, 5UL), (options.TotalSteps, options.MiniBatchPrompts, options.Seed));
        Assert.Equal(1e-4, options.Rate.After(80), 1e-12);
    }

    [Fact]
    public void A_mini_batch_is_the_whole_batch_unless_it_is_set() =>
        Assert.Equal(24, With("train.prompts-per-step=24").Train.MiniBatchPrompts);

    [Theory]
    [InlineData(
        new[] { "train.prompts-per-step=16", "train.mini-batch-prompts=3" },
        "rollout.train.mini-batch-prompts = 3: expected a divisor of prompts-per-step, which is 16")]
    [InlineData(
        new[] { "train.learning-rate=1e-6", "train.min-learning-rate=1e-5" },
        "rollout.train.min-learning-rate = 1e-5: expected at most learning-rate, which is 1E-06")]
    [InlineData(
        new[] { "train.reference-sync-every=10" },
        "rollout.train.reference-sync-every = 10: expected 0, as beta is 0 and there is no reference")]
    public void Settings_of_the_updates_that_contradict_each_other_are_refused_with_both_keys(
        string[] arguments, string message)
    {
        var error = Assert.Throws<ConfigurationException>(() => With(arguments));
        Assert.EndsWith(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void End_tokens_stop_a_sequence_unless_they_are_ignored()
    {
        Assert.Equal([2], With().Sampling.ToSamplingParams([2], seed: 1).StopTokenIds);
        Assert.True(With("sampling.top-p=1e-300").Sampling.ToSamplingParams([2], seed: 1).TopP > 0);
        Assert.Empty(With("sampling.ignore-eos=on").Sampling.ToSamplingParams([2], seed: 1).StopTokenIds);
    }

    [Theory]
    [InlineData(
        "train.num-generations=2147483647",
        "--set: rollout.train.num-generations = 2147483647: expected a whole number from 1 to 65536")]
    [InlineData(
        "train.prompts-per-step=2000000000",
        "--set: rollout.train.prompts-per-step = 2000000000: expected at most 131072, as num-generations is 8 and a step has at"
        + " most 1048576 samples")]
    [InlineData(
        "train.learning-rate=1e20",
        "--set: rollout.train.learning-rate = 1e20: expected a number from 0 to 1")]
    [InlineData(
        "pretrain.learning-rate=1e20",
        "--set: rollout.pretrain.learning-rate = 1e20: expected a number above 0 and at most 1")]
    [InlineData(
        "pretrain.batch-size=2000000000",
        "--set: rollout.pretrain.batch-size = 2000000000: expected a whole number from 1 to 1000000")]
    [InlineData(
        "data.keyword.prompts=2000000000",
        "--set: rollout.data.keyword.prompts = 2000000000: expected a whole number from 1 to 1000000")]
    public void A_number_that_only_a_mistake_can_be_is_refused(string argument, string message)
    {
        var error = Assert.Throws<ConfigurationException>(
            () => RolloutSettings.ForTraining(ConfigTree.Load(null, ["model.path=m", argument])));
        Assert.Equal(message, error.Message);
    }

    [Fact]
    public void A_step_whose_tokens_need_more_than_the_memory_is_refused()
    {
        var tree = ConfigTree.Load(null, ["train.prompts-per-step=10", "train.num-generations=5"]);
        var train = RolloutSettings.From(tree).Train;

        train.RequireBoundedStep(tree.Rollout.Section("train"), maxTokens: 100, memory: 50 * 100 * 8);
        var error = Assert.Throws<ConfigurationException>(
            () => train.RequireBoundedStep(tree.Rollout.Section("train"), maxTokens: 101, memory: 50 * 100 * 8));

        Assert.Equal(
            "--set: rollout.train.prompts-per-step = 10: expected fewer, as 50 samples of 101 tokens (sampling.max-tokens) need"
            + " more than the 40000 bytes of this machine",
            error.Message);
    }

    [Theory]
    [InlineData("model.path=", "--set: rollout.model.path = \"\": expected the folder of a model")]
    [InlineData("rewards=[]", "--set: rollout.rewards = […]: expected at least one reward")]
    [InlineData(
        "train.num-generations=1",
        "--set: rollout.train.num-generations = 1: expected at least 2 for training")]
    [InlineData(
        "sampling.temperature=0",
        "--set: rollout.sampling.temperature = 0: expected at least 0.00001 for training, as lower ones sample greedily")]
    public void A_run_that_could_not_learn_is_refused(string argument, string message)
    {
        var tree = ConfigTree.Load(null, ["model.path=m", argument]);
        RolloutSettings.From(tree);
        var error = Assert.Throws<ConfigurationException>(() => RolloutSettings.ForTraining(tree));
        Assert.Equal(message, error.Message);
    }

    [Theory]
    [InlineData(
        new[] { "lora.r=4", "model.adapter=a" },
        "--set: rollout.lora.r = 4: expected 0, as model.adapter is trained, and has a rank of its own")]
    [InlineData(
        new[] { "lora.r=4", "train.beta=0.1", "train.reference-sync-every=2" },
        "--set: rollout.train.reference-sync-every = 2: expected 0, as the reference of an adapter is the model without it")]
    [InlineData(
        new[] { "lora.target-modules=[all-linear, q_proj]" },
        "--set: rollout.lora.target-modules = […]: expected names of modules such as [q_proj, v_proj], or [all-linear]")]
    [InlineData(
        new[] { "lora.layers-to-transform=[-1]" },
        "--set: rollout.lora.layers-to-transform = […]: expected a list of layers, from 0")]
    [InlineData(new[] { "lora.lora-dropout=1" }, "--set: rollout.lora.lora-dropout = 1: expected a number of at least 0 and below 1")]
    public void An_adapter_that_can_not_be_trained_is_refused(string[] settings, string message)
    {
        var tree = ConfigTree.Load(null, ["model.path=m", .. settings]);
        var error = Assert.Throws<ConfigurationException>(() => RolloutSettings.ForTraining(tree));
        Assert.Equal(message, error.Message);
    }

    [Fact]
    public void A_new_adapter_has_pefts_settings()
    {
        var lora = With(
            "lora.r=8", "lora.lora-alpha=16", "lora.target-modules=[q_proj]", "lora.lora-dropout=0.1", "lora.use-rslora=on",
            "lora.exclude-modules=[layers.0.self_attn.q_proj]", "lora.layers-to-transform=[0, 3]").Lora;
        Assert.Equal((8, 16.0, 0.1, true), (lora.R, lora.LoraAlpha, lora.LoraDropout, lora.UseRslora));
        Assert.Equal(["q_proj"], lora.TargetModules);
        Assert.Equal(["layers.0.self_attn.q_proj"], lora.ExcludeModules);
        Assert.Equal([0, 3], lora.LayersToTransform);
        Assert.False(With().TrainsAdapter);
    }

    [Theory]
    [InlineData("arithmetic", 400, "models/arithmetic")]
    [InlineData("smoke", 3, "models/arithmetic")]
    [InlineData("keyword", 100, "models/keyword")]
    [InlineData("countdown", 200, "models/countdown")]
    public void The_jobs_of_the_product_are_valid(string job, int steps, string model)
    {
        var settings = RolloutSettings.ForTraining(ConfigTree.Load(TestFiles.Repository($"config/{job}.conf")));
        Assert.Equal(steps, settings.Train.Steps);
        Assert.Equal(TestFiles.Repository(model), settings.Model.Path);
    }

    private static RolloutSettings With(params string[] arguments) =>
        RolloutSettings.From(ConfigTree.Load(null, arguments));

    private static IEnumerable<string> Leaves(HoconObject section, string path) =>
        section.Fields.SelectMany(field => field.Value is HoconObject inner
            ? Leaves(inner, $"{path}.{field.Key}")
            : [$"{path}.{field.Key}"]);

    private static IEnumerable<string> Sections(HoconObject section, string path) =>
        section.Fields.SelectMany(field => field.Value is HoconObject inner
            ? Sections(inner, $"{path}.{field.Key}").Prepend($"{path}.{field.Key}")
            : []);
}
