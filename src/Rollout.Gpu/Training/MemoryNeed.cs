using Rollout.Gpu.Contracts;
using Rollout.Gpu.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Training;

/// <summary>
/// The device memory that training takes, told before anything is allocated. The optimizer's state is exact. Activations
/// are those of the pass by kernels in bfloat16 for a micro-batch whose tokens are all predicted. What autograd keeps is not
/// counted; it is more.
/// </summary>
public sealed class MemoryNeed
{
    private const decimal Driver = 512L << 20; // context and code of a GPU's libraries
    private const int Wide = sizeof(float);

    private static readonly (string Name, Recomputation Level)[] Levels =
        [("attention-and-gate", Recomputation.AttentionAndGate), ("layers", Recomputation.Layers)];

    private MemoryNeed(IEnumerable<MemoryPart> parts, decimal hostBytes) =>
        (Parts, HostBytes) = ([.. parts.Where(part => part.Bytes > 0)], hostBytes);

    /// <summary>What is there, the longest-lived first.</summary>
    public IReadOnlyList<MemoryPart> Parts { get; }

    /// <summary>All of it.</summary>
    public decimal Bytes => Parts.Sum(part => part.Bytes);

    /// <summary>What the optimizer keeps in the host's memory.</summary>
    public decimal HostBytes { get; }

    /// <param name="model">The model's shape.</param>
    /// <param name="dtype">The type of weights and values.</param>
    /// <param name="options">The update rule.</param>
    public static MemoryNeed Of(ModelConfig model, ScalarType dtype, GrpoOptions options)
    {
        var element = (int)dtype.ElementSize();
        return new(
            OfState(model, element, options).Concat(options.Autograd ? [] : OfPass(model, element, options)),
            options.Offload ? ParameterCount(model) * Wide * (element < Wide ? 3 : 2) : 0);
    }

    /// <summary>Settings that lower the need, with what it then is.</summary>
    /// <param name="model">The model's shape.</param>
    /// <param name="dtype">The type of weights and values.</param>
    /// <param name="options">The update rule.</param>
    /// <param name="longest">Tokens of the longest sequence, which no micro-batch divides.</param>
    public static IEnumerable<(string Setting, MemoryNeed Need)> Savings(
        ModelConfig model, ScalarType dtype, GrpoOptions options, int longest = 1) =>
        Changes(dtype, options, longest).Select(change => (change.Setting, Of(model, change.To(new Job(dtype, options)))));

    /// <summary>The settings with which the job needs no more than that; null where none suffice.</summary>
    /// <param name="model">The model's shape.</param>
    /// <param name="dtype">The type of weights and values.</param>
    /// <param name="options">The update rule.</param>
    /// <param name="bytes">The memory that there is.</param>
    /// <param name="longest">Tokens of the longest sequence, which no micro-batch divides.</param>
    public static string? Fitting(ModelConfig model, ScalarType dtype, GrpoOptions options, long bytes, int longest = 1)
    {
        var changes = Changes(dtype, options, longest).ToArray();
        var job = new Job(dtype, options);
        foreach (var change in changes)
        {
            if (Of(model, change.To(job)).Bytes <= bytes)
                return change.Setting;
        }

        var settings = new Dictionary<string, string>(); // by key
        foreach (var change in changes)
        {
            job = change.To(job);
            settings[change.Setting.Split(' ')[0]] = change.Setting;
            if (Of(model, job).Bytes <= bytes)
                return string.Join(", ", settings.Values);
        }

        return null;
    }

    /// <summary>A sentence for an error: the need, and what it is with each setting that lowers it.</summary>
    /// <inheritdoc cref="Savings"/>
    public static string Sentence(ModelConfig model, ScalarType dtype, GrpoOptions options, int longest = 1)
    {
        var savings = Savings(model, dtype, options, longest).Select(saving => $"{Gigabytes(saving.Need)} with {saving.Setting}");
        return $"Training needs about {string.Join(", ", savings.Prepend(Gigabytes(Of(model, dtype, options))))}.";
    }

    /// <summary>Numbers in all parameters.</summary>
    internal static decimal ParameterCount(ModelConfig model)
    {
        decimal width = model.HiddenSize;
        var qkv = (model.HeadCount + (2m * model.KvHeadCount)) * model.HeadDim;
        var vectors = (2 * width)
            + (model.HasQkNorm ? 2m * model.HeadDim : 0)
            + (model.HasQkvBias ? qkv : 0)
            + (model.HasOutputBias ? width : 0)
            + (model.HasMlpBias ? (2m * model.IntermediateSize) + width : 0);
        return ExpectedShapes.CountOf(model) + (vectors * model.LayerCount) + width;
    }

    private static MemoryNeed Of(ModelConfig model, Job job) => Of(model, job.Dtype, job.Options);

    /// <summary>Settings that lower the need, roughly the one that costs the least time first.</summary>
    private static IEnumerable<(string Setting, Func<Job, Job> To)> Changes(ScalarType dtype, GrpoOptions options, int longest)
    {
        static Func<Job, Job> With(Func<GrpoOptions, GrpoOptions> change) => job => job with { Options = change(job.Options) };
        if (dtype == ScalarType.Float32 && !options.Autograd)
            yield return ("dtype = bfloat16", job => job with { Dtype = ScalarType.BFloat16 });
        foreach (var (name, level) in Levels.Where(level => level.Level > options.Recompute && !options.Autograd))
            yield return ($"train.recompute = {name}", With(now => now with { Recompute = level }));
        if (HasReference(options))
        {
            yield return (
                "train.reference-offload = on", With(now => now with { Reference = now.Reference with { Offload = true } }));
        }

        var half = options.MicroBatchTokens / 2;
        if (half >= longest && !options.Autograd)
            yield return ($"train.micro-batch-tokens = {half}", With(now => now with { MicroBatchTokens = half }));
        if (!options.Offload)
            yield return ("train.offload = on", With(now => now with { Offload = true }));
    }

    private static IEnumerable<MemoryPart> OfState(ModelConfig model, int element, GrpoOptions options)
    {
        var parameters = ParameterCount(model);
        var (masters, moments) = (element < Wide ? parameters * Wide : 0, parameters * 2 * Wide);
        var slots = new OffloadPlan().SlotBytes(parameters, masters > 0 ? 3 : 2);
        return
        [
            new("weights", parameters * element),
            new("float32 copies of the weights", options.Offload ? 0 : masters),
            new("the optimizer's two moments", options.Offload ? 0 : moments),
            new("chunks of the optimizer's state from the host", options.Offload ? slots : 0),
            new("gradients", parameters * Wide),
            new("reference policy", HasReference(options) ? parameters * element : 0),
        ];
    }

    private static IEnumerable<MemoryPart> OfPass(ModelConfig model, int element, GrpoOptions options)
    {
        var pass = new PassNeed(model, element, options);
        return
        [
            new("activations of the layers", pass.Layers),
            new("logits and their gradients, or values of a few operations", Math.Max(pass.Head, pass.Buffers)),
            new("libraries and workspace", Driver + TrainingProducts.WorkspaceBytes),
        ];
    }

    private static bool HasReference(GrpoOptions options) => options.Loss.NeedsReference && !options.Reference.Offload;

    private static string Gigabytes(MemoryNeed need) => FormattableString.Invariant($"{need.Bytes / 1_000_000_000:0.0} GB");

    private readonly record struct Job(ScalarType Dtype, GrpoOptions Options);
}
