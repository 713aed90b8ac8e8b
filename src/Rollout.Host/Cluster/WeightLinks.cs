using System.Security.Cryptography.X509Certificates;
using Rollout.Actors.Settings;
using Rollout.Actors.Topology;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;
using Rollout.Gpu.Weights.Transfer;

namespace Rollout.Host.Cluster;

/// <summary>Creates this process's ends of weight transfers, with the address and the certificates of its cluster links.</summary>
internal static class WeightLinks
{
    /// <summary>Creates the trainer's end; null for a cluster of one process, which nobody can join.</summary>
    /// <param name="settings">The address and the limits.</param>
    /// <param name="certificates">The cluster's; null without TLS.</param>
    /// <param name="warn">Told about connections that were turned away.</param>
    /// <exception cref="ConfigurationException">Nothing can listen at the configured address.</exception>
    public static WeightServer? CreateServer(
        RolloutSettings settings, ClusterCertificates? certificates, Action<string> warn)
    {
        if (settings.Cluster is { SeedNodes.Count: 0, Port: 0 })
            return null;
        try
        {
            return new WeightServer(
                settings.Cluster.Hostname, settings.Barrier.TransferPort, Secure(certificates), OptionsOf(settings), warn);
        }
        catch (WeightTransferException fault)
        {
            throw new ConfigurationException(
                $"rollout.barrier.transfer-port = {settings.Barrier.TransferPort}: {fault.Message}", fault);
        }
    }

    /// <summary>Creates a decoder host's end.</summary>
    public static WeightReceiver CreateReceiver(
        RolloutSettings settings, CausalLm model, ClusterCertificates? certificates) =>
        new(model, Secure(certificates), OptionsOf(settings));

    private static TransferOptions OptionsOf(RolloutSettings settings) =>
        new() { Timeout = settings.Barrier.TransferTimeout };

    private static TransferSecurity? Secure(ClusterCertificates? certificates) => certificates is null
        ? null
        : new TransferSecurity(
            certificates.Own, (_, peer, _, _) => certificates.Trust(peer as X509Certificate2));
}
