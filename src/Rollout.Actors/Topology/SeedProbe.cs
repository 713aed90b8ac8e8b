using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Rollout.Actors.Settings;

namespace Rollout.Actors.Topology;

/// <summary>
/// Connects to the seed nodes before Akka does, so that a closed port or a certificate that doesn't fit is one sentence at
/// once. Akka reports them late, and in its log. A probe of a member that fits leaves nothing in that member's log.
/// </summary>
/// <param name="settings">The addresses, and whether TLS is on.</param>
/// <param name="certificates">This member's; null without TLS.</param>
internal sealed class SeedProbe(ClusterSettings settings, ClusterCertificates? certificates)
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(3);

    /// <summary>In TLS 1.3 a refusal of this side's certificate comes after the handshake.</summary>
    private static readonly TimeSpan RefusalWait = TimeSpan.FromMilliseconds(300);

    /// <summary>
    /// TLS's "close notify". A process that expects TLS closes the connection when it reads it. A member without TLS takes the first four bytes
    /// for the length of a frame, 197 kB, and waits for the rest.
    /// </summary>
    private static readonly byte[] TlsAlert = [0x15, 0x03, 0x03, 0x00, 0x02, 0x01, 0x00];

    internal enum Answer
    {
        /// <summary>Nobody answered: a process may be there or not.</summary>
        Silent,

        /// <summary>The machine refused the connection: no process listens there.</summary>
        Refused,

        /// <summary>The two sides disagree about TLS.</summary>
        Misfit,

        /// <summary>A process accepts connections, and agrees about TLS as far as that was asked.</summary>
        Ready,
    }

    /// <summary>
    /// Says why no seed node can be joined: none answers, or the one that answers disagrees about TLS. Null if one can be
    /// tried, and where this process itself is one.
    /// </summary>
    /// <param name="self">This process's address, which isn't asked.</param>
    /// <param name="patient">Silence is no reason: a seed node may start later.</param>
    /// <param name="thorough">Also find out, without TLS here, whether the other side wants it.</param>
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

    /// <summary>Asks the machine at an address; with a sentence unless the answer is <see cref="Answer.Ready"/>.</summary>
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
        var why = certificates is null
            ? await WhyNotInTheClearAsync(client.GetStream(), deadline.Token).ConfigureAwait(false)
            : await WhyNotSecureAsync(client.GetStream(), certificates, deadline.Token).ConfigureAwait(false);
        return why is null ? (Answer.Ready, "") : (Answer.Misfit, $"{seed} (rollout.cluster.seed-nodes) {why}");
    }

    private static async Task<string?> WhyNotInTheClearAsync(Stream stream, CancellationToken cancellation)
    {
        try
        {
            await stream.WriteAsync(TlsAlert, cancellation).ConfigureAwait(false);
            await stream.ReadAsync(new byte[1], cancellation).ConfigureAwait(false);
        }
        catch (IOException)
        {
            // The other side closed the connection, as it does after an answer.
        }
        catch (OperationCanceledException)
        {
            return null;
        }
        return "wants TLS: enable rollout.cluster.tls with a certificate of its authority";
    }

    /// <summary>Shakes hands over TLS, and says why the two sides don't fit; null when they do.</summary>
    internal static async Task<string?> WhyNotSecureAsync(
        Stream stream, ClusterCertificates own, CancellationToken cancellation)
    {
        string? refusal = null;
        await using var tls = new SslStream(stream, leaveInnerStreamOpen: false, (_, peer, _, _) =>
        {
            refusal = peer is X509Certificate2 certificate ? own.WhyRefused(certificate) : "it shows none";
            return refusal is null;
        });
        try
        {
            await tls.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = "rollout",
                    ClientCertificates = [own.Own],
                    CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                },
                cancellation).ConfigureAwait(false);
        }
        catch (Exception fault) when (fault is AuthenticationException or IOException or OperationCanceledException)
        {
            return refusal is not null
                ? $"shows a certificate that is not of the authority in rollout.cluster.tls.ca: {refusal}"
                : "does not speak TLS, and rollout.cluster.tls is enabled";
        }
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
