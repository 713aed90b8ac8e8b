using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Rollout.Actors.Settings;

namespace Rollout.Actors.Topology;

/// <summary>
/// This member's certificate, and the authority that issued those of all members. A process that shows a certificate of the
/// authority is let in; names in it are not compared, because members are trusted alike and their addresses change.
/// </summary>
public sealed class ClusterCertificates : IDisposable
{
    private readonly X509Certificate2Collection _authorities;

    private ClusterCertificates(X509Certificate2 own, X509Certificate2Collection authorities)
    {
        Own = own;
        _authorities = authorities;
    }

    /// <summary>This member's certificate with its private key.</summary>
    public X509Certificate2 Own { get; }

    /// <summary>Reads and checks both files; null if TLS is off.</summary>
    /// <exception cref="ConfigurationException">A file can't be used; the sentence names it.</exception>
    public static ClusterCertificates? Load(TlsSettings? settings)
    {
        if (settings is null)
            return null;
        RequirePrivate(settings.Certificate);
        var authorities = ReadAuthorities(settings.Ca);
        var certificates = new ClusterCertificates(ReadOwn(settings), authorities);
        if (certificates.WhyRefused(certificates.Own) is { } why)
        {
            certificates.Dispose();
            throw new ConfigurationException(
                $"rollout.cluster.tls.certificate '{settings.Certificate}' does not fit the authority"
                + $" '{settings.Ca}': {why}");
        }
        return certificates;
    }

    /// <summary>True for a certificate of the authority that is valid now.</summary>
    public bool Trust(X509Certificate2? peer) => peer is not null && WhyRefused(peer) is null;

    /// <summary>Says what is wrong with a certificate; null for one that the authority issued and that is valid now.</summary>
    public string? WhyRefused(X509Certificate2 certificate)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(_authorities);
        // A private authority publishes no revocations: after a lost key, make a new authority.
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        // Don't fetch anything from an address that a stranger's certificate names.
        chain.ChainPolicy.DisableCertificateDownloads = true;
        if (chain.Build(certificate))
            return null;
        return string.Join(", ", chain.ChainStatus.Select(status => status.StatusInformation.Trim()).Distinct());
    }

    public void Dispose()
    {
        Own.Dispose();
        foreach (var authority in _authorities)
            authority.Dispose();
    }

    /// <summary>Refuses a key file that other users of the machine can read.</summary>
    private static void RequirePrivate(string path)
    {
        const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite
            | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & Others) != 0)
        {
            throw new ConfigurationException(
                $"rollout.cluster.tls.certificate '{path}': expected a file that only its owner can read (chmod 600)");
        }
    }

    private static X509Certificate2 ReadOwn(TlsSettings settings)
    {
        var password = settings.PasswordEnv.Length == 0 ? null : Environment.GetEnvironmentVariable(settings.PasswordEnv);
        try
        {
            var own = X509CertificateLoader.LoadPkcs12FromFile(settings.Certificate, password);
            return own.HasPrivateKey
                ? own
                : throw new ConfigurationException(
                    $"rollout.cluster.tls.certificate '{settings.Certificate}': expected a private key beside the certificate");
        }
        catch (CryptographicException fault)
        {
            throw new ConfigurationException(
                $"rollout.cluster.tls.certificate '{settings.Certificate}': expected a PKCS #12 file that"
                + $" {(password is null ? "no password" : $"the password in {settings.PasswordEnv}")} opens: {fault.Message}",
                fault);
        }
    }

    private static X509Certificate2Collection ReadAuthorities(string path)
    {
        var authorities = new X509Certificate2Collection();
        try
        {
            authorities.ImportFromPemFile(path);
        }
        catch (CryptographicException fault)
        {
            throw NoAuthority(path, fault);
        }
        return authorities.Count > 0 ? authorities : throw NoAuthority(path, null);
    }

    private static ConfigurationException NoAuthority(string path, Exception? fault) => new(
        $"rollout.cluster.tls.ca '{path}': expected a certificate in PEM{(fault is null ? "" : $": {fault.Message}")}");
}
