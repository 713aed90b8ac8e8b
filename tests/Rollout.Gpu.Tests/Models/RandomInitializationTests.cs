using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Gpu.Tests.Support;
using Xunit;
using static TorchSharp.torch;

namespace Rollout.Gpu.Tests.Models;

public sealed class RandomInitializationTests
{
    private static readonly ModelConfig Wide =
        TinyModels.LlamaWithBiases with { VocabSize = 5000, HiddenSize = 64 };

    [Fact]
    public void Equal_seeds_give_equal_models_and_other_seeds_others()
    {
        using var first = Initialized(7);
        using var again = Initialized(7);
        using var other = Initialized(8);

        foreach (var ((a, b), c) in first.parameters().Zip(again.parameters()).Zip(other.parameters()))
        {
            Assert.True(a.Equals(b));
            if (a.dim() == 2)
                Assert.False(a.Equals(c));
        }
    }

    [Fact]
    public void Matrices_are_normal_biases_zero_and_norms_one()
    {
        using var model = Initialized(7);
        using var scope = NewDisposeScope();
        foreach (var weight in model.CheckpointTensors())
        {
            var view = weight.View();
            if (weight.Kind == WeightKind.Bias)
                Assert.Equal(0f, view.abs().max().item<float>());
            if (weight.Kind == WeightKind.Norm)
                Assert.True(view.eq(1).all().item<bool>());
        }

        var values =
            model.CheckpointTensors().First().View().view(-1) / 0.02; // 320,000 draws of the embedding
        var standardError = 1 / Math.Sqrt(values.numel());
        Assert.InRange(values.mean().item<float>(), -5 * standardError, 5 * standardError);
        Assert.InRange(values.square().mean().item<float>(), 1 - 8 * standardError, 1 + 8 * standardError);
        Assert.InRange(values.pow(4).mean().item<float>(), 3 - 50 * standardError, 3 + 50 * standardError);
        Assert.InRange(values.abs().max().item<float>(), 4, 6);

        var neighbours =
            (values[TensorIndex.Slice(1)] * values[TensorIndex.Slice(0, -1)]).mean().item<float>();
        Assert.InRange(neighbours, -5 * standardError, 5 * standardError);
    }

    [Fact]
    public void Tensors_of_one_shape_are_not_copies_of_each_other()
    {
        using var model = Initialized(7);
        using var scope = NewDisposeScope();
        var keys = model.CheckpointTensors().Where(weight => weight.Name.Contains("k_proj.weight")).ToArray();
        var values =
            model.CheckpointTensors().Where(weight => weight.Name.Contains("v_proj.weight")).ToArray();

        Assert.False(keys[0].View().Equals(keys[1].View()));
        Assert.False(keys[0].View().Equals(values[0].View()));
    }

    private static CausalLm Initialized(ulong seed)
    {
        var model = new CausalLm(Wide, ScalarType.Float32, CPU);
        model.InitializeRandom(seed);
        return model;
    }
}
