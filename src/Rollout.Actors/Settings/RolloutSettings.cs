using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Settings;

/// <summary>The kinds of KV cache.</summary>
public enum CacheEngine
{
    /// <summary>Shared, reference-counted blocks.</summary>
    Paged,

    /// <summary>A padded row for each sequence: the baseline.</summary>
    Contiguous,
}

/// <summary>The type of weights and KV cache.</summary>
public enum WeightType
{
    [SuppressMessage("Naming", "CA1720", Justification = "The name of the type in every framework.")]
    Float32,
    Bfloat16,
}

/// <summary>
/// The whole section <c>rollout</c>, typed and checked. A key is its property's name in kebab-case. Every command
/// reads one before it starts anything.
/// </summary>
public sealed partial record RolloutSettings
{
    /// <summary>The seed of the run, 0 … 2^63 − 1.</summary>
    public required ulong Seed { get; init; }

    public required CacheEngine Engine { get; init; }

    /// <summary>"cpu", "cuda" or "cuda:N".</summary>
    public required string Device { get; init; }

    public required WeightType Dtype { get; init; }

    /// <summary>CPU threads of one torch operation; 0 takes all cores.</summary>
    public required int Threads { get; init; }

    public required ModelSettings Model { get; init; }

    /// <summary>The new adapter that training learns.</summary>
    public required LoraOptions Lora { get; init; }

    public required BlockSettings Blocks { get; init; }

    public required DecoderSettings Decoder { get; init; }

    public required SchedulerSettings Scheduler { get; init; }

    public required SamplingSettings Sampling { get; init; }

    public required DataSettings Data { get; init; }

    /// <summary>The reward functions; a completion's reward is their sum by weight.</summary>
    public required IReadOnlyList<RewardSettings> Rewards { get; init; }

    public required TrainerSettings Train { get; init; }

    public required EvalSettings Eval { get; init; }

    public required PretrainSettings Pretrain { get; init; }

    public required SftSettings Sft { get; init; }

    public required BarrierSettings Barrier { get; init; }

    public required OutputSettings Output { get; init; }

    public required ClusterSettings Cluster { get; init; }

    public required ServeSettings Serve { get; init; }

    /// <summary>Reads and checks every key.</summary>
    /// <exception cref="ConfigurationException">A value is of the wrong type or out of its range.</exception>
    public static RolloutSettings From(ConfigTree tree)
    {
        var section = tree.Rollout;
        return new RolloutSettings
        {
            Seed = (ulong)section.Whole64("seed", Bounds.AtLeast(0)),
            Engine = section.Choice<CacheEngine>("engine"),
            Device = DeviceName().IsMatch(section.Text("device"))
                ? section.Text("device")
                : throw section.Invalid("device", "cpu, cuda or cuda:N"),
            Dtype = section.Choice<WeightType>("dtype"),
            Threads = section.Whole("threads", Bounds.Between(0, 256)),
            Model = ModelSettings.From(section.Section("model")),
            Lora = LoraSettings.From(section.Section("lora")),
            Blocks = BlockSettings.From(section.Section("blocks")),
            Decoder = DecoderSettings.From(section.Section("decoder")),
            Scheduler = SchedulerSettings.From(section.Section("scheduler")),
            Sampling = SamplingSettings.From(section.Section("sampling")),
            Data = DataSettings.From(section.Section("data")),
            Rewards = RewardSettings.From(section.Sections("rewards")),
            Train = TrainerSettings.From(section.Section("train")),
            Eval = EvalSettings.From(section.Section("eval"), section.Section("data")),
            Pretrain = PretrainSettings.From(section.Section("pretrain")),
            Sft = SftSettings.From(section.Section("sft")),
            Barrier = BarrierSettings.From(section.Section("barrier")),
            Output = OutputSettings.From(section.Section("output")),
            Cluster = ClusterSettings.From(section.Section("cluster")),
            Serve = ServeSettings.From(section.Section("serve")),
        };
    }

    /// <summary>Reads and checks every key, and checks what only a training run needs.</summary>
    /// <exception cref="ConfigurationException">A value can't be used, or the run could not learn.</exception>
    public static RolloutSettings ForTraining(ConfigTree tree)
    {
        var settings = From(tree);
        var section = tree.Rollout;
        if (settings.Model.Path.Length == 0)
            throw section.Section("model").Invalid("path", "the folder of a model");
        settings.RequireLearnable(section);
        if (settings.Cluster is { SeedNodes.Count: 0, Roles.Count: < 3 })
        {
            throw section.Section("cluster").Invalid(
                "roles", "all three, as this process is alone without seed-nodes");
        }
        if (settings.Cluster.Roles.Count > 0 && !settings.Cluster.Roles.Contains(ClusterRoles.Trainer))
        {
            throw section.Section("cluster").Invalid(
                "roles", $"{ClusterRoles.Trainer} among them, as this process trains");
        }
        if (settings.Rewards.Count == 0)
            throw section.Invalid("rewards", "at least one reward");
        settings.Train.DynamicSampling.RequireMetric(
            section.Section("train"), settings.Rewards.Select(reward => reward.Name));
        // A group's only sample is its own mean: its advantage is always 0.
        if (settings.Train.NumGenerations < 2)
            throw section.Section("train").Invalid("num-generations", "at least 2 for training");
        if (settings.Sampling.Temperature < SamplingParams.GreedyBelow)
        {
            throw section.Section("sampling").Invalid(
                "temperature", $"at least {SamplingParams.GreedyBelow:0.#####} for training, as lower ones sample greedily");
        }
        settings.Train.RequireBoundedStep(
            section.Section("train"), settings.Sampling.MaxTokens, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
        return settings;
    }

    /// <summary>An adapter learns, and not the model's own weights.</summary>
    public bool TrainsAdapter => Lora.IsOn || Model.Adapter.Length > 0;

    /// <summary>Refuses settings of an adapter that contradict each other or the rest.</summary>
    /// <exception cref="ConfigurationException">Says which.</exception>
    public void RequireLearnable(ConfigSection section)
    {
        if (Lora.IsOn && Model.Adapter.Length > 0)
            throw section.Section("lora").Invalid("r", "0, as model.adapter is trained, and has a rank of its own");
        if (TrainsAdapter && Train.Reference.SyncEvery > 0)
        {
            throw section.Section("train").Invalid(
                "reference-sync-every", "0, as the reference of an adapter is the model without it");
        }
    }

    [GeneratedRegex(@"\A(cpu|cuda(:[0-9]{1,3})?)\z")]
    private static partial Regex DeviceName();
}
