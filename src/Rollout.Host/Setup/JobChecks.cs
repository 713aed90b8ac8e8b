using System.Net;
using System.Net.Sockets;
using Rollout.Actors.Settings;
using Rollout.Actors.Topology;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;

namespace Rollout.Host.Setup;

/// <summary>Checks what a configuration names: its model, ports and certificates.</summary>
internal static class JobChecks
{
    private static readonly TimeSpan Soon = TimeSpan.FromDays(14);

    public static IEnumerable<Check> Run(RolloutSettings settings)
    {
        if (settings.Model.Path.Length > 0)
            yield return ModelCheck(settings.Model.Path);
        yield return PortCheck("cluster.port", settings.Cluster.Hostname, settings.Cluster.Port);
        yield return PortCheck("serve.port", $"{settings.Serve.Address}", settings.Serve.Port);
        if (settings.Cluster.Tls is { } tls)
            yield return CertificateCheck(tls);
    }

    private static Check ModelCheck(string folder)
    {
        try
        {
            var model = ModelConfigReader.ReadFolder(folder);
            return new Check("model", Check.Ok, $"{folder}: {model.ModelType}, {model.MaxPositionEmbeddings} positions");
        }
        catch (CheckpointException wrong)
        {
            return new Check("model", Check.Fail, wrong.Message);
        }
    }

    internal static Check PortCheck(string key, string host, int port)
    {
        if (port == 0)
            return new Check(key, Check.Ok, $"any free port at {host}");
        try
        {
            using var listener = new TcpListener(Dns.GetHostAddresses(host)[0], port);
            listener.Start();
            return new Check(key, Check.Ok, $"{port} is free at {host}");
        }
        catch (SocketException fault)
        {
            return new Check(key, Check.Fail, fault.SocketErrorCode == SocketError.AddressAlreadyInUse
                ? $"another process listens at {host}:{port}: end it, or choose another with --set {key}=N"
                : $"this machine can't listen at {host}:{port}: {fault.Message}");
        }
    }

    private static Check CertificateCheck(TlsSettings tls)
    {
        try
        {
            using var certificates = ClusterCertificates.Load(tls)!;
            var end = certificates.Own.NotAfter.ToUniversalTime();
            return end < TimeProvider.System.GetUtcNow() + Soon
                ? new Check("certificate", Check.Fail, $"{tls.Certificate} ends on {end:yyyy-MM-dd}: make a new one (docs/cluster.md)")
                : new Check("certificate", Check.Ok, $"{tls.Certificate} is of the authority, until {end:yyyy-MM-dd}");
        }
        catch (Exception wrong) when (wrong is ConfigurationException or IOException or UnauthorizedAccessException)
        {
            return new Check("certificate", Check.Fail, wrong.Message);
        }
    }
}
