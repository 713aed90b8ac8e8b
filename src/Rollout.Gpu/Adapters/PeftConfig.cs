using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;

namespace Rollout.Gpu.Adapters;

/// <summary>
/// An adapter_config.json of PEFT, peft_type LORA: which modules have an adapter, of which rank and scale. A key that
/// would change the computation in a way that is not supported is refused, and so is one that is not known.
/// </summary>
internal sealed class PeftConfig
{
    public const string FileName = "adapter_config.json";

    /// <summary>What PEFT's "all-linear" means: the projections of a layer.</summary>
    private static readonly string[] Projections =
        ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>Keys that change nothing for a trained adapter.</summary>
    private static readonly HashSet<string> Neutral =
    [
        "base_model_name_or_path", "revision", "inference_mode", "peft_version", "megatron_core", "qalora_group_size",
        "auto_mapping", "eva_config",
    ];

    /// <summary>Keys that are read below.</summary>
    private static readonly HashSet<string> Understood =
    [
        "peft_type", "task_type", "bias", "init_lora_weights", "r", "lora_alpha", "use_rslora", "rank_pattern",
        "alpha_pattern", "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "lora_dropout",
    ];

    private readonly ConfigFile _file;
    private readonly ModuleRule _targets;
    private readonly ModuleRule? _excluded;
    private readonly IReadOnlyList<int> _layers;
    private readonly int _rank;
    private readonly double _alpha;
    private readonly bool _isRankStabilized;
    private readonly (ModuleRule Rule, int Rank)[] _ranks;
    private readonly (ModuleRule Rule, double Alpha)[] _alphas;

    private PeftConfig(ConfigFile file)
    {
        _file = file;
        RefuseUnsupported(file);
        _targets = ModuleRule.Of(file, "target_modules") ?? throw file.Invalid("target_modules", "is missing");
        _excluded = ModuleRule.Of(file, "exclude_modules");
        _layers = file.Ids("layers_to_transform");
        _rank = file.RequiredInt("r", least: 0);
        _alpha = Alpha(file, "lora_alpha");
        Dropout = file.Share("lora_dropout", whenAbsent: 0);
        _isRankStabilized = file.Flag("use_rslora", whenAbsent: false);
        var ranks = file.Section("rank_pattern");
        _ranks = [.. (ranks?.Keys ?? []).Select(key => (ModuleRule.Suffix(ranks!, key), ranks!.RequiredInt(key)))];
        var alphas = file.Section("alpha_pattern");
        _alphas = [.. (alphas?.Keys ?? []).Select(key => (ModuleRule.Suffix(alphas!, key), Alpha(alphas!, key)))];
    }

    /// <summary>The probability with which a number of an input is dropped in training.</summary>
    public double Dropout { get; }

    /// <summary>The file's text.</summary>
    public string Json => _file.Json;

    /// <exception cref="CheckpointException">The file is missing, damaged, or asks for what is not supported.</exception>
    public static PeftConfig Read(string folder) => new(ConfigFile.Read(Path.Combine(folder, FileName)));

    /// <summary>The configuration of a new adapter.</summary>
    /// <param name="options">Its targets, ranks and scale.</param>
    /// <param name="baseModel">The folder or the name of its base.</param>
    public static PeftConfig Of(LoraOptions options, string baseModel)
    {
        string[] targets = options.TargetModules is ["all-linear"] ? Projections : [.. options.TargetModules];
        var json = new JsonObject
        {
            ["peft_type"] = "LORA",
            ["task_type"] = "CAUSAL_LM",
            ["base_model_name_or_path"] = baseModel,
            ["bias"] = "none",
            ["fan_in_fan_out"] = false,
            ["inference_mode"] = true,
            ["init_lora_weights"] = true,
            ["r"] = options.R,
            ["lora_alpha"] = options.LoraAlpha,
            ["lora_dropout"] = options.LoraDropout,
            ["use_rslora"] = options.UseRslora,
            ["target_modules"] = Texts(targets),
            ["exclude_modules"] = options.ExcludeModules.Count == 0 ? null : Texts(options.ExcludeModules),
            ["layers_to_transform"] = options.LayersToTransform.Count == 0
                ? null
                : new JsonArray([.. options.LayersToTransform.Select(layer => JsonValue.Create(layer))]),
            ["rank_pattern"] = new JsonObject(),
            ["alpha_pattern"] = new JsonObject(),
        };
        return new PeftConfig(ConfigFile.Parse("rollout.lora", JsonSerializer.SerializeToUtf8Bytes(json, Indented)));
    }

    /// <summary>Whether a module has an adapter.</summary>
    /// <param name="module">Its name, such as model.layers.0.self_attn.q_proj.</param>
    /// <exception cref="CheckpointException">A pattern takes too long.</exception>
    public bool Targets(string module) =>
        _targets.Matches(module) && _excluded?.Matches(module) != true
        && (_layers.Count == 0 || LayerOf(module) is { } layer && _layers.Contains(layer));

    /// <summary>A target's rank and the factor of its sum: alpha / rank, or alpha / √rank with use_rslora.</summary>
    public (int Rank, double Scale) SizeOf(string module)
    {
        var rank = _ranks.Where(entry => entry.Rule.Matches(module)).Select(entry => entry.Rank)
            .FirstOrDefault(_rank);
        var alpha = _alphas.Where(entry => entry.Rule.Matches(module)).Select(entry => entry.Alpha)
            .FirstOrDefault(_alpha);
        return (rank, rank == 0 ? 0 : alpha / (_isRankStabilized ? Math.Sqrt(rank) : rank));
    }

    public CheckpointException Invalid(string key, string rule) => _file.Invalid(key, rule);

    private static JsonArray Texts(IEnumerable<string> texts) => new([.. texts.Select(text => JsonValue.Create(text))]);

    private static double Alpha(ConfigFile file, string key) =>
        file.Has(key) ? file.Positive(key, whenAbsent: 0) : throw file.Invalid(key, "is missing");

    private static int? LayerOf(string module) =>
        module.Split('.') is ["model", "layers", var number, ..]
            ? int.Parse(number, CultureInfo.InvariantCulture)
            : null;

    private static void RefuseUnsupported(ConfigFile file)
    {
        if (file.Text("peft_type") != "LORA")
            throw file.Invalid("peft_type", $"should be LORA, and is {file.Text("peft_type") ?? "missing"}");
        if (file.Text("task_type") is { } task and not "CAUSAL_LM")
            throw file.Invalid("task_type", $"should be CAUSAL_LM, and is {task}");
        if (file.Text("bias") is { } bias and not "none")
            throw file.Invalid("bias", $"should be none, and is {bias}: trained biases are not supported");
        // Other initialisations, such as PiSSA, change the base weights.
        if (file.IsText("init_lora_weights")
            && file.Text("init_lora_weights") is not ("gaussian" or "orthogonal" or "eva"))
        {
            throw file.Invalid(
                "init_lora_weights", $"is {file.Text("init_lora_weights")}, which changes the base weights");
        }
        if (file.Says("layers_pattern") && !(file.IsText("layers_pattern") && file.Text("layers_pattern") == "layers")
            && !(!file.IsText("layers_pattern") && file.Texts("layers_pattern") is ["layers"]))
        {
            throw file.Invalid("layers_pattern", "should be layers, where the model's layers are");
        }
        if (file.Keys.FirstOrDefault(key => !Neutral.Contains(key) && !Understood.Contains(key) && file.Says(key)) is { } other)
            throw file.Invalid(other, "is set, and is not supported: only plain LoRA of projections is");
    }
}
