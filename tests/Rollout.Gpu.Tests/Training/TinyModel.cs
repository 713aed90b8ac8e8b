using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Gpu.Weights;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Training;

/// <summary>Small random policies and batches.</summary>
internal static class TinyModel
{
    public const int Vocabulary = 23;

    public static readonly ModelConfig Config = new()
    {
        ModelType = "qwen3",
        VocabSize = Vocabulary,
        HiddenSize = 16,
        IntermediateSize = 24,
        LayerCount = 2,
        HeadCount = 4,
        KvHeadCount = 2,
        HeadDim = 4,
        RmsNormEps = 1e-6,
        TieWordEmbeddings = true,
        Rope = new RopeSettings { Theta = 10_000 },
        HasQkNorm = true,
        HasQkvBias = false,
        HasOutputBias = false,
        HasMlpBias = false,
        MaxPositionEmbeddings = 64,
    };

    public static readonly GrpoOptions Options = new()
    {
        Loss = LossRecipe.Of(LossType.Dapo) with { EpsilonHigh = 0.2 },
        NumIterations = 1,
        Temperature = 1,
        MaxCompletionLength = 12,
        MicroBatchTokens = 64,
        LearningRate = 1e-3,
        WarmupSteps = 0,
        WeightDecay = 0.01,
        AdamBeta1 = 0.9,
        AdamBeta2 = 0.999,
        AdamEpsilon = 1e-8,
        MaxGradNorm = 1,
    };

    /// <summary>The options with another KL term.</summary>
    public static GrpoOptions WithBeta(this GrpoOptions options, double beta) =>
        options with { Loss = options.Loss with { Beta = beta } };

    public static CausalLm Create(ulong seed = 1, ScalarType dtype = ScalarType.Float32, bool tied = true)
    {
        var model = new CausalLm(Config with { TieWordEmbeddings = tied }, dtype, CPU);
        model.InitializeRandom(seed, std: 0.3);
        return model;
    }

    public static PolicyWeights Weights(ulong seed = 1, ScalarType dtype = ScalarType.Float32) =>
        new(Create(seed, dtype), new PolicyVersion(0));

    /// <summary>
    /// Groups of different lengths; random tokens, rewards in 0, 1 unless given, sampler log-probabilities of
    /// −3.
    /// </summary>
    public static TrainBatch Batch(
        int seed, int groups = 4, int samples = 3, Func<int, int, double>? reward = null)
    {
        var random = new Random(seed);
        int[] Tokens(int most) =>
            [.. Enumerable.Range(0, random.Next(1, most)).Select(_ => random.Next(Vocabulary))];
        return new TrainBatch(
        [
            .. Enumerable.Range(0, groups).Select(g => new TrainGroup(
                new GroupId(g),
                Tokens(9),
                [
                    .. Enumerable.Range(0, samples).Select(s =>
                    {
                        var tokens = Tokens(12);
                        var logprobs = Enumerable.Repeat(-3f, tokens.Length).ToArray();
                        var score = reward?.Invoke(g, s) ?? random.Next(2);
                        return new TrainCompletion(tokens, logprobs, score);
                    }),
                ])),
        ]);
    }

    /// <summary>All weights, one after another.</summary>
    public static float[] Values(CausalLm model)
    {
        using var scope = NewDisposeScope();
        return
        [
            .. model.parameters().SelectMany(parameter =>
                parameter.detach().to_type(ScalarType.Float32).cpu().contiguous().data<float>().ToArray()),
        ];
    }

    /// <summary>All gradients, one after another, in the order of the parameters.</summary>
    public static float[] Gradients(CausalLm model)
    {
        using var scope = NewDisposeScope();
        return
        [
            .. model.parameters().SelectMany(parameter =>
                parameter.grad!.contiguous().data<float>().ToArray()),
        ];
    }
}
