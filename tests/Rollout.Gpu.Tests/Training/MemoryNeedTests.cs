using FsCheck;
using FsCheck.Fluent;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Gpu.Training;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Training;

public sealed class MemoryNeedTests
{
    public static TheoryData<bool, ScalarType> Models => new()
    {
        { true, ScalarType.Float32 },
        { false, ScalarType.Float32 },
        { true, ScalarType.BFloat16 },
        { false, ScalarType.BFloat16 },
    };

    private static readonly ModelConfig Qwen06 = TinyModel.Config with
    {
        VocabSize = 151_936,
        HiddenSize = 1024,
        IntermediateSize = 3072,
        LayerCount = 28,
        HeadCount = 16,
        KvHeadCount = 8,
        HeadDim = 128,
    };

    private static readonly ModelConfig Qwen17 = Qwen06 with { HiddenSize = 2048, IntermediateSize = 6144 };

    private static readonly ModelConfig Qwen4 = Qwen06 with
    {
        HiddenSize = 2560,
        IntermediateSize = 9728,
        LayerCount = 36,
        HeadCount = 32,
    };

    private static readonly ModelConfig Qwen8 = Qwen06 with
    {
        HiddenSize = 4096,
        IntermediateSize = 12288,
        LayerCount = 36,
        HeadCount = 32,
        TieWordEmbeddings = false,
    };

    [Theory]
    [MemberData(nameof(Models))]
    public void State_takes_what_the_model_and_its_optimizer_take(bool tied, ScalarType dtype)
    {
        using var model = TinyModel.Create(dtype: dtype, tied: tied);

        var need = MemoryNeed.Of(model.Config, dtype, TinyModel.Options.WithBeta(0.1));

        var weights = model.parameters().Sum(weight => weight.numel() * weight.element_size());
        Assert.Equal(weights, Bytes(need, "weights"));
        Assert.Equal(weights, Bytes(need, "reference policy"));
        Assert.Equal(
            model.parameters().Sum(AdamW.StateBytesOf),
            Bytes(need, "float32 copies of the weights") + Bytes(need, "the optimizer's two moments"));
        Assert.Equal(model.parameters().Sum(weight => weight.numel() * sizeof(float)), Bytes(need, "gradients"));
    }

    [Fact]
    public void Biases_are_counted()
    {
        var config = TinyModel.Config with { HasQkvBias = true, HasOutputBias = true, HasMlpBias = true, HasQkNorm = false };
        using var model = new CausalLm(config, ScalarType.Float32, CPU);

        Assert.Equal(model.parameters().Sum(weight => weight.numel()), MemoryNeed.ParameterCount(config));
    }

    [Fact]
    public void A_larger_job_needs_more() => Prop.ForAll(Jobs.ToArbitrary(), job =>
    {
        var (model, options) = job;
        ModelConfig[] larger =
        [
            model with { LayerCount = model.LayerCount + 1 }, model with { HiddenSize = model.HiddenSize + 2 },
            model with { IntermediateSize = model.IntermediateSize + 1 }, model with { HeadCount = 2 * model.HeadCount },
        ];
        var need = Need(model, options);
        Assert.All(larger, other => Assert.True(Need(other, options) > need));
        Assert.True(Need(model, options with { MicroBatchTokens = options.MicroBatchTokens + 1 }) > need);
    }).Holds();

    [Fact]
    public void Every_saving_of_a_large_job_lowers_its_need()
    {
        var options = TinyModel.Options.WithBeta(0.1) with { MicroBatchTokens = 6144 };

        var savings = MemoryNeed.Savings(Qwen06, ScalarType.Float32, options).ToArray();

        Assert.Equal(
            [
                "dtype = bfloat16", "train.recompute = attention-and-gate", "train.recompute = layers",
                "train.reference-offload = on", "train.micro-batch-tokens = 3072", "train.offload = on",
            ],
            savings.Select(saving => saving.Setting));
        var need = MemoryNeed.Of(Qwen06, ScalarType.Float32, options).Bytes;
        Assert.All(savings, saving => Assert.True(saving.Need.Bytes < need));
    }

    [Theory]
    [InlineData(200, 2048, "dtype = bfloat16")]
    [InlineData(130, 2048, "train.offload = on")]
    [InlineData(80, 2048, "dtype = bfloat16, train.recompute = layers, train.reference-offload = on, train.offload = on")]
    [InlineData(20, 2048, null)]
    public void What_makes_an_8B_job_fit_is_found(int gigabytes, int tokens, string? settings)
    {
        var options = TinyModel.Options.WithBeta(0.1) with { MicroBatchTokens = tokens };

        var found = MemoryNeed.Fitting(Qwen8, ScalarType.Float32, options, gigabytes * 1_000_000_000L, longest: tokens);

        Assert.Equal(settings, found);
    }

    /// <summary>Full fine-tuning at 2,048 tokens a sequence on a card of 80 GB.</summary>
    [Fact]
    public void Large_models_fit_80_GB_as_the_documentation_says()
    {
        var options = TinyModel.Options with { MicroBatchTokens = 2048 };
        decimal Bytes(ModelConfig model, GrpoOptions rule) => MemoryNeed.Of(model, ScalarType.BFloat16, rule).Bytes;

        Assert.InRange(Bytes(Qwen17, options), 0, 80e9m);
        Assert.InRange(Bytes(Qwen4, options), 0, 80e9m);
        Assert.InRange(Bytes(Qwen8, options with { Offload = true }), 0, 80e9m);
        Assert.InRange(Bytes(Qwen8, options), 80e9m, 200e9m);
    }

    [Fact]
    public void A_state_in_host_memory_is_counted_there()
    {
        var options = TinyModel.Options with { MicroBatchTokens = 2048 };

        var (kept, moved) = (
            MemoryNeed.Of(Qwen8, ScalarType.BFloat16, options),
            MemoryNeed.Of(Qwen8, ScalarType.BFloat16, options with { Offload = true }));

        Assert.Equal(0, kept.HostBytes);
        Assert.Equal(12 * MemoryNeed.ParameterCount(Qwen8), moved.HostBytes);
        Assert.Equal(kept.Bytes - moved.HostBytes + (9L << 26), moved.Bytes); // three chunks of three kinds
    }

    [Theory]
    [InlineData(Recomputation.None, 16.9)]
    [InlineData(Recomputation.AttentionAndGate, 13.4)]
    [InlineData(Recomputation.Layers, 12.3)]
    public void The_need_of_Qwen3_0_6B_is_what_the_documentation_says(Recomputation recompute, double gigabytes)
    {
        var options = TinyModel.Options with { MicroBatchTokens = 6144, Recompute = recompute };

        Assert.Equal(gigabytes, (double)MemoryNeed.Of(Qwen06, ScalarType.BFloat16, options).Bytes / 1e9, 0.06);
    }

    private static Gen<ModelConfig> Shapes =>
        from layers in Gen.Choose(1, 40)
        from heads in Gen.Choose(1, 16)
        from width in Gen.Choose(1, 500)
        from vocabulary in Gen.Choose(2, 200_000)
        select TinyModel.Config with
        {
            LayerCount = layers,
            HeadCount = heads,
            KvHeadCount = 1,
            HiddenSize = 2 * width,
            VocabSize = vocabulary,
        };

    private static Gen<(ModelConfig Model, GrpoOptions Options)> Jobs =>
        from model in Shapes
        from tokens in Gen.Choose(1, 20_000)
        from recompute in Gen.Elements(Enum.GetValues<Recomputation>())
        select (model, TinyModel.Options with { MicroBatchTokens = tokens, Recompute = recompute });

    private static decimal Need(ModelConfig model, GrpoOptions options) =>
        MemoryNeed.Of(model, ScalarType.BFloat16, options).Bytes;

    private static decimal Bytes(MemoryNeed need, string part) =>
        need.Parts.SingleOrDefault(one => one.Name == part)?.Bytes ?? 0;
}
