using System.Runtime.InteropServices;
using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Weights.Transfer;

/// <summary>One device's way to a trainer's weights.</summary>
/// <param name="receiver">The host's.</param>
/// <param name="weights">The device's, which no other device shares.</param>
public sealed class DeviceIntake(WeightReceiver receiver, PolicyWeights weights) : IWeightIntake
{
    public async Task<IStagedWeights> FetchAsync(WeightOffer offer, CancellationToken cancel) =>
        new Staged(offer.Policy, await receiver.FetchAsync(offer, cancel).ConfigureAwait(false), weights);

    private sealed class Staged(Policy policy, ReceivedWeights received, PolicyWeights weights) : IStagedWeights
    {
        public Policy Policy { get; } = policy;

        public void Apply()
        {
            try
            {
                received.Memory.CopyTo(weights.Model);
            }
            catch (ExternalException cause)
            {
                throw new DeviceFaultException($"{Policy} could not be copied to {weights.Model.Device}.", cause);
            }
            weights.Adopt(Policy.Version);
        }

        public void Dispose() => received.Dispose();
    }
}
