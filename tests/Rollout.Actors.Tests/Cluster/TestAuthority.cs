using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Rollout.Actors.Settings;

namespace Rollout.Actors.Tests.Cluster;

/// <summary>A certificate authority of a test, as docs/cluster.md makes one with openssl.</summary>
internal sealed class TestAuthority : IDisposable
{
    private static readonly DateTimeOffset Now = TimeProvider.System.GetUtcNow();

    private readonly TemporaryFolder _folder;
    private readonly string _name;
    private readonly X509Certificate2 _root;

    public TestAuthority(TemporaryFolder folder, string name)
    {
        (_folder, _name) = (folder, name);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        _root = request.CreateSelfSigned(Now.AddDays(-10), Now.AddDays(10));
        Pem = folder.Write($"{name}.pem", _root.ExportCertificatePem());
    }

    /// <summary>The authority's own certificate.</summary>
    public string Pem { get; }

    /// <summary>Issues a member's certificate, readable by its owner alone.</summary>
    /// <param name="days">Valid until so many days from now.</param>
    /// <param name="password">Of the file.</param>
    public TlsSettings Issue(int days = 5, string? password = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=member", key, HashAlgorithmName.SHA256);
        using var bare = request.Create(_root, Now.AddDays(-9), Now.AddDays(days), Guid.NewGuid().ToByteArray());
        using var member = bare.CopyWithPrivateKey(key);
        var path = _folder.At($"{_name}-{Guid.NewGuid():N}.pfx");
        File.WriteAllBytes(path, member.Export(X509ContentType.Pfx, password));
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return new TlsSettings { Certificate = path, Ca = Pem, PasswordEnv = "" };
    }

    public void Dispose() => _root.Dispose();
}
