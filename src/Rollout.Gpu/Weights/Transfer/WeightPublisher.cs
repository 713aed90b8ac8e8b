using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Weights.Transfer;

/// <summary>Offers a trainer's weights through a server, which the caller disposes of.</summary>
public sealed class WeightPublisher(WeightServer server, PolicyWeights weights) : IWeightPublisher
{
    public WeightOffer Publish(Policy policy) => server.Publish(weights.Model, policy);
}
