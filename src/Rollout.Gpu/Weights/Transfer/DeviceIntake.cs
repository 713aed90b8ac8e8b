using System.Runtime.InteropServices;
using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Weights.Transfer;

/// <summary>Fetches a trainer's weights for one device: one <see cref="WeightReceiver"/> serves all devices of a host.</summary>
/// <param name="receiver">The receiver of the host, shared by its devices.</param>
/// <param name="weights">The weights of this device alone.</param>
public sealed class DeviceIntake(WeightReceiver receiver, PolicyWeights weights) : IWeightIntake
{
    public Policy? Held { get; private set; } = new Policy(Run: 0, weights.Version);

    public async Task<IStagedWeights> FetchAsync(WeightOffer offer, CancellationToken cancel) =>
        new Staged(this, offer.Policy, await receiver.FetchAsync(offer, cancel).ConfigureAwait(false));

    private void Apply(Policy policy, HostWeights memory)
    {
        Held = null;
        try
        {
            memory.CopyTo(weights.Model);
        }
        catch (ExternalException cause)
        {
            throw new DeviceFaultException($"{policy} could not be copied to {weights.Model.Device}.", cause);
        }
        weights.Adopt(policy.Version);
        Held = policy;
    }

    private sealed class Staged(DeviceIntake device, Policy policy, ReceivedWeights received) : IStagedWeights
    {
        public Policy Policy { get; } = policy;

        public void Apply() => device.Apply(Policy, received.Memory);

        public void Dispose() => received.Dispose();
    }
}
