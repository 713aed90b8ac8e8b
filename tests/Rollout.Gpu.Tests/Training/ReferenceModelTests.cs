using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Gpu.Training;
using Xunit;

namespace Rollout.Gpu.Tests.Training;

public sealed class ReferenceModelTests
{
    [Fact]
    public void A_reference_that_waits_in_host_memory_gives_the_same_kl()
    {
        TrainStats[] Trained(bool offload)
        {
            using var weights = TinyModel.Weights();
            using var trainer = new PolicyTrainer(weights, TinyModel.Options.WithBeta(0.1) with
            {
                Reference = new ReferenceOptions(SyncEvery: 2, MixupAlpha: 0.5, offload),
            });
            return [.. Enumerable.Range(0, 5).Select(seed => trainer.Train(TinyModel.Batch(seed)) with { Seconds = 0, SamplerRatios = [], Advantages = [] })];
        }

        var stays = Trained(offload: false);

        Assert.Equal(stays, Trained(offload: true));
        Assert.True(stays[1].Kl > 0);
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(0.6, 0.4)]
    [InlineData(0, 1)]
    public void A_synchronised_reference_is_so_much_policy_and_so_much_of_what_it_was(double alpha, double rest)
    {
        using var policy = TinyModel.Create(seed: 1);
        using var before = TinyModel.Create(seed: 2);
        CausalLmHolder held = new();
        using var reference = new ReferenceModel(
            TinyModel.Create(seed: 2),
            new ReferenceOptions(SyncEvery: 3, alpha, Offload: false),
            model => held.Pass(model));
        float[] Values() => reference.Use(_ => TinyModel.Values(held.Model!));

        reference.Follow(policy, new PolicyVersion(2));
        Assert.Equal(TinyModel.Values(before), Values());
        reference.Follow(policy, new PolicyVersion(3));

        var expected = TinyModel.Values(policy).Zip(TinyModel.Values(before), (p, r) => (alpha * p) + (rest * r));
        Assert.True(expected.Zip(Values()).All(pair => Math.Abs(pair.First - pair.Second) < 1e-6));
    }

    [Fact]
    public void The_kl_is_0_again_after_a_whole_synchronisation()
    {
        using var weights = TinyModel.Weights();
        using var trainer = new PolicyTrainer(weights, TinyModel.Options.WithBeta(0.1) with
        {
            Reference = new ReferenceOptions(SyncEvery: 2, MixupAlpha: 1, Offload: false),
        });
        var kl = Enumerable.Range(0, 4).Select(seed => trainer.Train(TinyModel.Batch(seed)).Kl).ToArray();

        Assert.Equal(0, kl[0], 1e-6);
        Assert.True(kl[1] > 1e-5);
        Assert.Equal(0, kl[2], 1e-6);
        Assert.True(kl[3] > 1e-5);
    }

    /// <summary>Shows the model that the reference computes with.</summary>
    private sealed class CausalLmHolder
    {
        public CausalLm? Model { get; private set; }

        public CompletionPass Pass(CausalLm model)
        {
            Model = model;
            return new CompletionPass(model, 1, CompletionPass.LogitElementsOnCpu);
        }
    }
}
