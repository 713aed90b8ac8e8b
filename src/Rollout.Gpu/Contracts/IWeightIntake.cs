namespace Rollout.Gpu.Contracts;

/// <summary>Brings a trainer's weights to a device in another process. A decoder uses it.</summary>
public interface IWeightIntake
{
    /// <summary>The policy that the device's model holds; null after a copy into it failed half-way.</summary>
    Policy? Held { get; }

    /// <summary>
    /// Fetches the offered weights into host memory while the device keeps computing. Devices of one host share one
    /// transfer of an offer. May be called from any thread.
    /// </summary>
    /// <exception cref="WeightTransferException">The weights can't be fetched, or did not arrive in time.</exception>
    Task<IStagedWeights> FetchAsync(WeightOffer offer, CancellationToken cancel);
}

/// <summary>Weights in host memory, ready for one device. The caller that fetched them disposes of them.</summary>
public interface IStagedWeights : IDisposable
{
    Policy Policy { get; }

    /// <summary>
    /// Copies the weights into the device's model. Called between two steps on the decoder's thread, which it blocks.
    /// </summary>
    /// <exception cref="DeviceFaultException">
    /// The model is half copied: the device can no longer be trusted.
    /// </exception>
    void Apply();
}
