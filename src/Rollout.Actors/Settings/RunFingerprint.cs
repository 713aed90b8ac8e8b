using System.Globalization;
using System.Security.Cryptography;
using Rollout.Actors.Settings.Hocon;

namespace Rollout.Actors.Settings;

/// <summary>
/// What a training run learns from, as names and texts: its model, its data, and the settings that matter. A checkpoint has
/// it, so that a run is continued with nothing else. docs/resume.md lists the keys.
/// </summary>
public static class RunFingerprint
{
    /// <summary>The key of the initial policy, whose text is a hash.</summary>
    public const string Model = "model.path";

    /// <summary>The key of the threads of a CPU operation.</summary>
    public const string Threads = "threads";

    private const string Train = "train", Sft = "sft";
    private const string MicroBatch = "train.micro-batch-tokens";
    private const string Recompute = "train.recompute";
    private const string FileHash = "sha256:";

    /// <summary>Keys and sections that decide what is learnt.</summary>
    private static readonly string[] Fixed = ["seed", "model.weights", "lora", "data", "sampling", "rewards", Train];

    /// <summary>The same, of a supervised run.</summary>
    private static readonly string[] FixedOfSft = ["seed", "model.weights", "lora", "data", Sft];

    /// <summary>Keys that a run may go on with other values of: said in a warning.</summary>
    public static IReadOnlyList<string> Changeable { get; } =
    [
        "device", "dtype", Threads, "engine", "decoder.batch-invariant",
        "train.steps", "train.learning-rate", "train.min-learning-rate", "train.warmup-steps", "train.lr-schedule",
        "train.weight-decay", "train.max-grad-norm", MicroBatch, "train.deterministic", "train.autograd",
        Recompute,
        "eval.prompts", "eval.samples", "eval.temperature", "eval.pass-at", "eval.right-at", "eval.sets",
        "sft.steps", "sft.epochs", "sft.learning-rate", "sft.min-learning-rate", "sft.warmup-steps", "sft.lr-schedule",
        "sft.max-grad-norm",
    ];

    /// <summary>Keys of the sections train and sft that change nothing that is learnt.</summary>
    public static IReadOnlyList<string> Free { get; } =
    [
        "train.max-skipped-updates", "train.offload", "train.reference-offload", "train.reward-timeout", "train.reward-concurrency",
        "train.reward-tries", "train.reward-retry-wait", "train.max-stuck-rewards", "train.step-timeout",
        "sft.eval-every",
    ];

    /// <summary>The fingerprint of a configuration. Files that data and rewards name are read whole.</summary>
    /// <param name="tree">The configuration.</param>
    /// <param name="model">Identifies the initial policy and its tokenizer.</param>
    /// <param name="threads">Threads of one operation on the CPU; null where a GPU computes.</param>
    public static IReadOnlyDictionary<string, string> Of(ConfigTree tree, string model, int? threads) => Of(
        tree, [.. Fixed, .. Changeable.Where(key => !key.StartsWith("sft.", StringComparison.Ordinal))], Train, model, threads);

    /// <summary>The fingerprint of supervised training.</summary>
    /// <inheritdoc cref="Of(ConfigTree, string, int?)"/>
    public static IReadOnlyDictionary<string, string> OfSft(ConfigTree tree, string model, int? threads) =>
        Of(tree, [.. FixedOfSft, "device", "dtype", Threads, MicroBatch, Recompute], Sft, model, threads);

    private static SortedDictionary<string, string> Of(
        ConfigTree tree, string[] keys, string recipe, string model, int? threads)
    {
        var texts = new SortedDictionary<string, string>(StringComparer.Ordinal) { [Model] = model };
        var root = (HoconObject)tree.Root.Fields["rollout"];
        foreach (var key in keys)
            Add(root.Find(key.Split('.')), key, texts);
        texts.Remove(Threads);
        if (threads is { } count)
            texts[Threads] = count.ToString(CultureInfo.InvariantCulture);
        // The end of the run matters only where the learning rate falls towards it.
        if (texts[$"{recipe}.lr-schedule"] == "constant")
        {
            texts.Remove($"{recipe}.steps");
            texts.Remove($"{recipe}.epochs");
        }
        return texts;
    }

    /// <summary>
    /// The keys whose texts differ, each as a phrase for a message. A key that only one of the two has is not compared:
    /// another version wrote it.
    /// </summary>
    /// <returns>Those that make it another run, and those that a run may go on with.</returns>
    public static (IReadOnlyList<string> Refused, IReadOnlyList<string> Allowed) Differences(
        IReadOnlyDictionary<string, string> before, IReadOnlyDictionary<string, string> now)
    {
        var changed = before.Where(entry => now.GetValueOrDefault(entry.Key, entry.Value) != entry.Value)
            .ToLookup(entry => Changeable.Contains(entry.Key), entry => Phrase(entry.Key, entry.Value, now[entry.Key]));
        return ([.. changed[false]], [.. changed[true]]);
    }

    private static string Phrase(string key, string before, string now) =>
        key == Model || before.Contains(FileHash, StringComparison.Ordinal) || now.Contains(FileHash, StringComparison.Ordinal)
            ? $"the content of rollout.{key} differs"
            : $"rollout.{key} was {HoconWriter.Short(before)} and is {HoconWriter.Short(now)}";

    private static void Add(HoconValue? value, string key, SortedDictionary<string, string> texts)
    {
        if (value is HoconObject section)
        {
            foreach (var (name, inner) in section.Fields)
                Add(inner, $"{key}.{name}", texts);
        }
        else if (value is not null && !Free.Contains(key))
        {
            texts[key] = TextOf(value);
        }
    }

    private static string TextOf(HoconValue value) => value switch
    {
        HoconScalar { Text: var text } => Normal(text),
        // The options of one reward: a program's arguments are texts, not files to compare.
        HoconList list => $"[{string.Join(", ", list.Items.Select(item => item is HoconScalar { Text: var text } ? text : TextOf(item)))}]",
        HoconObject section => $"{{ {string.Join(", ", section.Fields
            .OrderBy(field => field.Key, StringComparer.Ordinal)
            .Select(field => $"{field.Key} = {TextOf(field.Value)}"))} }}",
        _ => throw new InvalidOperationException($"{value.Origin}: a {value.GetType().Name} has no text."),
    };

    /// <summary>One text for each way to write a number or a switch; a hash of its content for a file.</summary>
    private static string Normal(string text)
    {
        if (Path.IsPathFullyQualified(text) && File.Exists(text))
            return FileHash + HashOf(text);
        if (Units.Number(text) is { } number)
            return number.ToString("R", CultureInfo.InvariantCulture);
        return text switch
        {
            "true" => "on",
            "false" => "off",
            _ => text,
        };
    }

    private static string HashOf(string path)
    {
        using var file = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(file));
    }
}
