namespace Rollout.Gpu.Contracts;

/// <summary>Brings a trainer's weights to a device whose process does not share the trainer's memory.</summary>
public interface IWeightIntake
{
    /// <summary>The policy that the device's model has; null when a copy into it failed half way.</summary>
    Policy? Held { get; }

    /// <summary>
    /// Fetches what is offered into host memory, beside whatever the device computes. Devices of one host share one
    /// transfer of an offer. Any thread.
    /// </summary>
    /// <exception cref="WeightTransferException">They can't be had, or did not come in time; one sentence says why.</exception>
    Task<IStagedWeights> FetchAsync(WeightOffer offer, CancellationToken cancel);
}

/// <summary>Weights in host memory, ready to be used by one device. Disposed by whoever fetched them.</summary>
public interface IStagedWeights : IDisposable
{
    Policy Policy { get; }

    /// <summary>Copies them into the device's model, between two steps and on the decoder's thread, which it blocks.</summary>
    /// <exception cref="DeviceFaultException">The model is half copied: the device can no longer be trusted.</exception>
    void Apply();
}
