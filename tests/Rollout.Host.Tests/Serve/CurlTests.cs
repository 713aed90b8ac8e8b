using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Rollout.Actors.Settings;
using Rollout.Host.Tests.Support;
using Xunit;

namespace Rollout.Host.Tests.Serve;

/// <summary>curl against a server with a certificate and a key.</summary>
public sealed class CurlTests : IDisposable
{
    private const string Key = "a-key-of-16-letters";

    private readonly TemporaryFolder _folder = new();

    [CurlFact]
    public async Task Curl_completes_whole_and_as_a_stream_over_https()
    {
        var (certificate, privateKey) = WriteCertificate();
        File.WriteAllText(_folder.At("keys"), Key);
        await using var server = await TestServer.StartAsync(
            ChatModel.Write(_folder), $"serve.tls.certificate={certificate}", $"serve.tls.key={privateKey}",
            $"serve.api-keys={_folder.At("keys")}");
        Assert.Equal("https", server.Address.Scheme);

        var whole = await CurlAsync(server, certificate, """{"model":"tiny","prompt":"hi","max_tokens":4,"ignore_eos":true}""");
        Assert.Equal(4, JsonDocument.Parse(whole).RootElement.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
        var stream = await CurlAsync(server, certificate, """{"model":"tiny","prompt":"hi","max_tokens":4,"stream":true}""");
        Assert.StartsWith("data: {", stream);
        Assert.EndsWith("data: [DONE]\n\n", stream);
    }

    [Fact]
    public async Task A_certificate_that_can_not_be_used_is_refused()
    {
        var (certificate, _) = WriteCertificate();
        var model = ChatModel.Write(_folder);
        var keyless = await Assert.ThrowsAsync<ConfigurationException>(
            () => TestServer.StartAsync(model, $"serve.tls.certificate={certificate}"));
        Assert.Contains("rollout.serve.tls.key", keyless.Message);
        var other = await Assert.ThrowsAsync<ConfigurationException>(
            () => TestServer.StartAsync(model, $"serve.tls.certificate={certificate}", $"serve.tls.key={certificate}"));
        Assert.Contains("rollout.serve.tls.certificate", other.Message);
    }

    public void Dispose() => _folder.Dispose();

    private static async Task<string> CurlAsync(TestServer server, string certificate, string body)
    {
        using var curl = Process.Start(new ProcessStartInfo(
            CurlFactAttribute.Curl,
            [
                "--silent", "--show-error", "--no-buffer", "--cacert", certificate, "-H", $"Authorization: Bearer {Key}",
                "-H", "Content-Type: application/json", "-d", body, $"{server.Address}v1/completions",
            ])
        { RedirectStandardOutput = true })!;
        var output = await curl.StandardOutput.ReadToEndAsync();
        await curl.WaitForExitAsync();
        Assert.Equal(0, curl.ExitCode);
        return output;
    }

    private (string Certificate, string Key) WriteCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=test", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, true));
        var now = TimeProvider.System.GetUtcNow();
        using var certificate = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        var paths = (_folder.At("server.pem"), _folder.At("server.key"));
        File.WriteAllText(paths.Item1, certificate.ExportCertificatePem());
        File.WriteAllText(paths.Item2, key.ExportPkcs8PrivateKeyPem());
        return paths;
    }
}

/// <summary>A test that needs curl; skipped where there is none.</summary>
public sealed class CurlFactAttribute : FactAttribute
{
    public const string Curl = "/usr/bin/curl";

    public CurlFactAttribute() => Skip = File.Exists(Curl) ? null : $"there is no {Curl}";
}
