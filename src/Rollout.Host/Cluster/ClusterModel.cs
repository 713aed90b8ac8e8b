using Rollout.Gpu.Contracts;

namespace Rollout.Host.Cluster;

/// <summary>The model of a cluster's decoders, as known to a client that samples with them.</summary>
/// <param name="Own">The fingerprint of the client's model, which is compatible.</param>
/// <param name="Fingerprint">
/// The fingerprint of the decoders' model, which groups are submitted for; null where the decoders report none.
/// </param>
/// <param name="Weights">
/// The weights to sample with, so that no output mixes the weights of several decoders; null where a trainer updates all
/// decoders.
/// </param>
internal sealed record ClusterModel(ModelFingerprint Own, string? Fingerprint, Policy? Weights);
