using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace Rollout.Gpu.Weights.Transfer;

/// <summary>Mutual TLS for weight transfers, with the certificate and the rule of the cluster's other connections.</summary>
/// <param name="Certificate">This process's certificate with its private key.</param>
/// <param name="Validate">Accepts or refuses the other side's certificate; it must refuse a missing one.</param>
public sealed record TransferSecurity(X509Certificate2 Certificate, RemoteCertificateValidationCallback Validate)
{
    internal async Task<Stream> SecureServerAsync(Stream plain, CancellationToken cancel)
    {
        var secure = new SslStream(plain);
        await secure.AuthenticateAsServerAsync(
            new SslServerAuthenticationOptions
            {
                ServerCertificate = Certificate,
                ClientCertificateRequired = true,
                RemoteCertificateValidationCallback = Validate,
            },
            cancel).ConfigureAwait(false);
        return secure;
    }

    internal async Task<Stream> SecureClientAsync(Stream plain, string host, CancellationToken cancel)
    {
        var secure = new SslStream(plain);
        await secure.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions
            {
                TargetHost = host,
                ClientCertificates = [Certificate],
                RemoteCertificateValidationCallback = Validate,
            },
            cancel).ConfigureAwait(false);
        return secure;
    }
}
