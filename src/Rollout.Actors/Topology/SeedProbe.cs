using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Rollout.Actors.Settings;

namespace Rollout.Actors.Topology;

/// <summary>
/// Knocks at the seed nodes before Akka does, whose own words for a closed port or a stranger's certificate come late
/// and in its log.
/// </summary>
/// <param name="settings">The addresses, and whether TLS is on.</param>
/// <param name="certificates">Null without TLS.</param>
internal sealed class SeedProbe(ClusterSettings settings, ClusterCertificates? certificates)
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(3);

    /// <summary>In TLS 1.3 a refusal of this side's certificate comes after the handshake.</summary>
    private static readonly TimeSpan RefusalWait = TimeSpan.FromMilliseconds(300);

    internal enum Answer
    {
        /// <summary>Nothing is known of the process there.</summary>
        Silent,

        /// <summary>The machine itself says that nobody listens there.</summary>
        Refused,

        /// <summary>The two sides disagree about TLS.</summary>
        Misfit,

        /// <summary>Connections are taken.</summary>
        Ready,
    }

    /// <summary>
    /// Why no seed node can be joined: nobody answers, or whoever does has another idea of TLS. Null where one can be
    /// tried, and where this process itself is one.
    /// </summary>
    /// <param name="self">Not asked.</param>
    /// <param name="patient">Addresses that nobody answers at are no reason.</param>
    /// <param name="thorough">
    /// Also find out, without TLS here, whether the other side wants it: that leaves an error in the other's log.
    /// </param>
    public async Task<string?> WhyNotAsync(NodeAddress self, bool patient, bool thorough)
    {
        var seeds = settings.SeedNodes.Where(seed => seed != self).ToArray();
        var answers = await Task.WhenAll(seeds.Select(seed => AskAsync(seed, thorough))).ConfigureAwait(false);
        if (answers.Any(answer => answer.Kind == Answer.Ready))
            return null;
        if (answers.FirstOrDefault(answer => answer.Kind == Answer.Misfit).Sentence is { } misfit)
            return misfit;
        return patient || seeds.Length < settings.SeedNodes.Count
            ? null
            : $"nobody answers at rollout.cluster.seed-nodes: {string.Join("; ", answers.Select(answer => answer.Sentence))}";
    }

    /// <summary>What the machine at this address says, and the sentence where that is not <see cref="Answer.Ready"/>.</summary>
    public async Task<(Answer Kind, string Sentence)> AskAsync(NodeAddress seed, bool thorough)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync(seed.Host, seed.Port, deadline.Token).ConfigureAwait(false);
        }
        catch (SocketException fault)
        {
            var refused = fault.SocketErrorCode == SocketError.ConnectionRefused;
            return (refused ? Answer.Refused : Answer.Silent, $"{seed} ({fault.SocketErrorCode})");
        }
        catch (OperationCanceledException)
        {
            return (Answer.Silent, $"{seed} (no answer within {Deadline.TotalSeconds:0} s)");
        }
        if (certificates is null && !thorough)
            return (Answer.Ready, "");
        var why = await ShakeHandsAsync(client.GetStream(), deadline.Token).ConfigureAwait(false);
        return why is null ? (Answer.Ready, "") : (Answer.Misfit, $"{seed} (rollout.cluster.seed-nodes) {why}");
    }

    /// <summary>Null where both sides agree about TLS.</summary>
    private async Task<string?> ShakeHandsAsync(Stream stream, CancellationToken cancellation)
    {
        string? refusal = null;
        // Without TLS of its own this only finds out whether the other side wants it: nothing is sent over it.
        await using var tls = new SslStream(stream, leaveInnerStreamOpen: false, (_, peer, _, _) =>
        {
            if (certificates is not null && peer is X509Certificate2 certificate)
                refusal = certificates.WhyRefused(certificate);
            return refusal is null;
        });
        try
        {
            await tls.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = "rollout",
                    ClientCertificates = certificates is null ? null : [certificates.Own],
                    CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                },
                cancellation).ConfigureAwait(false);
        }
        catch (Exception fault) when (fault is AuthenticationException or IOException or OperationCanceledException)
        {
            return refusal is not null
                ? $"shows a certificate that is not of the authority in rollout.cluster.tls.ca: {refusal}"
                : certificates is not null ? "does not speak TLS, and rollout.cluster.tls is enabled" : null;
        }
        if (certificates is null)
            return "wants TLS: enable rollout.cluster.tls with a certificate of its authority";
        return await IsClosedAsync(tls).ConfigureAwait(false)
            ? "refuses the certificate in rollout.cluster.tls.certificate: it is of another authority"
            : null;
    }

    private static async Task<bool> IsClosedAsync(SslStream tls)
    {
        using var wait = new CancellationTokenSource(RefusalWait);
        try
        {
            return await tls.ReadAsync(new byte[1], wait.Token).ConfigureAwait(false) == 0;
        }
        catch (IOException)
        {
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }
}
