using Rollout.Gpu.Contracts;

namespace Rollout.Host.Cluster;

/// <summary>The model of a cluster's decoders, as a member sees it that samples with them.</summary>
/// <param name="Own">The member's, which it can work with.</param>
/// <param name="Fingerprint">The decoders', so that groups never meet another one; null where they say none.</param>
/// <param name="Weights">
/// What to sample with, so that no output mixes the weights of several decoders; null where a trainer moves all of them
/// along.
/// </param>
internal sealed record ClusterModel(ModelFingerprint Own, string? Fingerprint, Policy? Weights);
