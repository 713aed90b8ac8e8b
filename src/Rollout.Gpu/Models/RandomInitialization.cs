using Rollout.Gpu.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Rollout.Gpu.Models;

/// <summary>
/// Draws initial weights on the model's own device. Element i of a tensor is a function of seed, name and i, so that a
/// seed gives the same model on CPU and GPU, up to the rounding of log and cos.
/// </summary>
internal static class RandomInitialization
{
    private const long ChunkElements = 1 << 22;

    public static void Apply(CausalLm model, ulong seed, double std)
    {
        using var noGrad = no_grad();
        foreach (var weight in model.CheckpointTensors())
        {
            using var scope = NewDisposeScope();
            var view = weight.View();
            switch (weight.Kind)
            {
                case WeightKind.Matrix:
                    FillNormal(view.view(-1), CounterRandom.Key(seed, weight.Name), std);
                    break;
                case WeightKind.Bias:
                    view.zero_();
                    break;
                default:
                    view.fill_(Scalars.One);
                    break;
            }
        }
    }

    private static void FillNormal(Tensor flat, long key, double std)
    {
        using var scale = std.ToScalar();
        var count = flat.size(0);
        for (var start = 0L; start < count; start += ChunkElements)
        {
            using var scope = NewDisposeScope();
            var length = Math.Min(ChunkElements, count - start);
            flat.narrow(0, start, length).copy_(CounterRandom.Normal(key, start, length, flat.device).mul_(scale));
        }
    }
}
