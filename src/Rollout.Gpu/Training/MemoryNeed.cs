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

    private MemoryNeed(IEnumerable<MemoryPart> parts) => Parts = [.. parts.Where(part => part.Bytes > 0)];

    /// <summary>What is there, the longest-lived first.</summary>
    public IReadOnlyList<MemoryPart> Parts { get; }

    /// <summary>All of it.</summary>
    public decimal Bytes => Parts.Sum(part => part.Bytes);

    /// <param name="model">The model's shape.</param>
    /// <param name="dtype">The type of weights and values.</param>
    /// <param name="options">The update rule.</param>
    public static MemoryNeed Of(ModelConfig model, ScalarType dtype, GrpoOptions options) =>
        new(OfState(model, (int)dtype.ElementSize(), options)
            .Concat(options.Autograd ? [] : OfPass(model, (int)dtype.ElementSize(), options)));

    /// <summary>Settings that lower the need, with what it then is.</summary>
    /// <param name="model">The model's shape.</param>
    /// <param name="dtype">The type of weights and values.</param>
    /// <param name="options">The update rule.</param>
    /// <param name="longest">Tokens of the longest sequence, which no micro-batch divides.</param>
    public static IEnumerable<(string Setting, MemoryNeed Need)> Savings(
        ModelConfig model, ScalarType dtype, GrpoOptions options, int longest = 1)
    {
        if (dtype == ScalarType.Float32 && !options.Autograd)
            yield return ("dtype = bfloat16", Of(model, ScalarType.BFloat16, options));
        if (options.Recompute < Recomputation.AttentionAndGate && !options.Autograd)
        {
            yield return (
                "train.recompute = attention-and-gate",
                Of(model, dtype, options with { Recompute = Recomputation.AttentionAndGate }));
        }
        if (options.Recompute < Recomputation.Layers && !options.Autograd)
            yield return ("train.recompute = layers", Of(model, dtype, options with { Recompute = Recomputation.Layers }));
        if (HasReference(options))
        {
            var offloaded = options with { Reference = options.Reference with { Offload = true } };
            yield return ("train.reference-offload = on", Of(model, dtype, offloaded));
        }

        var half = options.MicroBatchTokens / 2;
        if (half >= longest && !options.Autograd)
            yield return ($"train.micro-batch-tokens = {half}", Of(model, dtype, options with { MicroBatchTokens = half }));
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

    private static IEnumerable<MemoryPart> OfState(ModelConfig model, int element, GrpoOptions options)
    {
        var parameters = ParameterCount(model);
        return
        [
            new("weights", parameters * element),
            new("float32 copies of the weights", element < Wide ? parameters * Wide : 0),
            new("the optimizer's two moments", parameters * 2 * Wide),
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
            new("logits and their gradients", pass.Head),
            new("values of a few operations", pass.Buffers),
            new("libraries and workspace", Driver + TrainingProducts.WorkspaceBytes),
        ];
    }

    private static bool HasReference(GrpoOptions options) => options.Loss.NeedsReference && !options.Reference.Offload;

    private static string Gigabytes(MemoryNeed need) => FormattableString.Invariant($"{need.Bytes / 1_000_000_000:0.0} GB");
}
