using Rollout.Gpu.Contracts;
using Rollout.Gpu.Execution;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Models;
using Rollout.Gpu.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Execution;

/// <summary>Models of the tests on a GPU, runners and steps for them.</summary>
internal static class CudaPolicy
{
    public const int MaxPositions = 1024;

    public static Device Gpu { get; } = device(DeviceType.CUDA, 0);

    /// <summary>Heads as wide as those of large models, in bfloat16, random.</summary>
    public static PolicyWeights Wide(int layers)
    {
        var config = new ModelConfig
        {
            ModelType = "qwen3",
            VocabSize = 4096,
            HiddenSize = 512,
            IntermediateSize = 1536,
            LayerCount = layers,
            HeadCount = 8,
            KvHeadCount = 4,
            HeadDim = 128,
            RmsNormEps = 1e-6,
            TieWordEmbeddings = true,
            Rope = new RopeSettings(),
            HasQkNorm = true,
            HasQkvBias = false,
            HasOutputBias = false,
            HasMlpBias = false,
            MaxPositionEmbeddings = MaxPositions,
        };
        var model = new CausalLm(config, ScalarType.BFloat16, Gpu);
        model.InitializeRandom(1, std: 0.05);
        return new PolicyWeights(model, new PolicyVersion(1));
    }

    /// <summary>The same weights on a GPU, rounded to the type.</summary>
    public static PolicyWeights Copy(CausalLm source, ScalarType dtype, int ordinal = 0)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var gpu = device(DeviceType.CUDA, ordinal);
        var model = new CausalLm(source.Config, dtype, gpu);
        foreach (var (own, other) in model.named_parameters().Zip(source.named_parameters()))
            own.parameter.copy_(other.parameter);
        TorchTensors.Synchronize(gpu);
        return new PolicyWeights(model, new PolicyVersion(1));
    }

    public static CudaModelRunner Runner(
        PolicyWeights weights, int blocks = 600, int blockSize = 16, bool graphs = true, bool sharesDevice = false,
        bool sharesPrompts = true, int ordinal = 0) =>
        new(weights, new CudaRunnerOptions
        {
            Ordinal = ordinal,
            BlockSize = blockSize,
            BlockCount = blocks,
            MemoryUtilization = 0.1,
            MaxNumSeqs = 64,
            MaxNumBatchedTokens = 2048,
            MaxModelLength = weights.Model.Config.MaxPositionEmbeddings,
            UsesGraphs = graphs,
            SharesDevice = sharesDevice,
            SharesPrompts = sharesPrompts,
        });

    /// <summary>A step of one sequence, all of which is in block 0, that draws a token.</summary>
    /// <param name="tokens">Ids; ~d is the token of draw d of the step before.</param>
    /// <param name="start">The first one's position.</param>
    /// <param name="sequence">Whose noise is taken.</param>
    /// <param name="sampling">How it is drawn.</param>
    public static ForwardBatch Step(int[] tokens, int start, Generated sequence, SamplingParams sampling) => new()
    {
        TokenCount = tokens.Length,
        RowCount = 1,
        DrawCount = 1,
        TokenIds = tokens,
        Positions = [.. Enumerable.Range(start, tokens.Length)],
        SlotMapping = [.. Enumerable.Range(start, tokens.Length)],
        QueryStart = [0, tokens.Length],
        ContextLengths = [start + tokens.Length],
        BlockTableStart = [0, 1],
        BlockTables = [0],
        Draws = [new Draw(0, start + tokens.Length, sequence.Key(sampling.Seed), sampling)],
    };
}
