using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Rollout.Host.Invocation;
using Rollout.Host.Tests.Support;
using Xunit;
using Xunit.Abstractions;

namespace Rollout.Host.Tests.Cluster;

/// <summary>Whoever does not fit a cluster is told so in a sentence, and the cluster goes on.</summary>
public sealed class MisfitTests(ITestOutputHelper log) : HostProcessTest(log)
{
    [Fact]
    public async Task A_client_with_another_model_is_told_what_differs_before_it_submits()
    {
        var scheduler = await StartAsync("scheduler.conf", "cluster.seed-nodes=[]");
        await StartAsync("decoder.conf", Seed(scheduler));
        var address = $"127.0.0.1:{scheduler.Port}";
        var otherTokenizer = Changed("tokenizer", "tokenizer.json", text => text + "\n");
        var otherShape = Changed("shape", "config.json", text => text.Replace("10000", "20000", StringComparison.Ordinal));
        var otherWeights = TinyModel.Save(Folder);

        await AssertRefusedAsync(otherTokenizer, "they have another tokenizer (tokenizer.json)");
        await AssertRefusedAsync(otherShape, "they have a model of another shape (config.json)");
        await AssertRefusedAsync(otherWeights, "they have other weights");
        var (code, _, error) = await RolloutRun.RunAsync(
        [
            "train", "--config", RolloutRun.Job("smoke.conf"), "--cluster", address, "--out", Folder.At("run"),
            "--set", $"model.path={otherTokenizer}",
        ]);
        Assert.Equal(ExitCodes.BadInput, code);
        Assert.Contains("they have another tokenizer (tokenizer.json)", error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Folder.At("run")));

        Assert.Equal(await AloneAsync(), await SampleAsync("after", address));

        async Task AssertRefusedAsync(string model, string sentence)
        {
            var (code, _, error) = await RolloutRun.RunAsync(Generate("refused", model, address));
            Assert.Equal(ExitCodes.BadInput, code);
            Assert.Contains($"'{model}' is not the model of the cluster's decoders: {sentence}", error, StringComparison.Ordinal);
            Assert.Empty(Directory.GetFiles(Folder.Path, "refused*"));
        }
    }

    [Fact]
    public async Task A_host_that_does_not_fit_says_why_and_the_cluster_goes_on()
    {
        var scheduler = await StartAsync("scheduler.conf", "cluster.seed-nodes=[]");
        await StartAsync("decoder.conf", Seed(scheduler));
        await scheduler.WaitForAsync("2 members: 1 scheduler, 1 decoder");

        await Task.WhenAll(
            AssertEndsAsync(
                ExitCodes.Failure,
                "has another model or tokenizer than the cluster's decoders",
                HostProcess.Start("decoder.conf", [.. Fast, Seed(scheduler), "model.weights=random"])),
            AssertEndsAsync(
                ExitCodes.BadInput,
                $"rollout.cluster.port = {scheduler.Port}: another process listens at 127.0.0.1:{scheduler.Port}",
                HostProcess.Start("scheduler.conf", [Seed(scheduler), $"cluster.port={scheduler.Port}"])));

        Assert.Equal(await AloneAsync(), await SampleAsync("after", $"127.0.0.1:{scheduler.Port}"));
    }

    [Fact]
    public async Task A_host_whose_certificate_is_of_another_authority_is_told_so()
    {
        var (own, foreign) = (Tls("own"), Tls("foreign"));
        var scheduler = await StartAsync("scheduler.conf", ["cluster.seed-nodes=[]", .. own]);

        await AssertEndsAsync(
            ExitCodes.BadInput,
            "shows a certificate that is not of the authority in rollout.cluster.tls.ca",
            HostProcess.Start("decoder.conf", [.. Fast, Seed(scheduler), .. foreign]));
        await AssertEndsAsync(
            ExitCodes.BadInput,
            "wants TLS: enable rollout.cluster.tls with a certificate of its authority",
            HostProcess.Start("decoder.conf", [.. Fast, Seed(scheduler), "cluster.join-timeout=4s"]));

        await StartAsync("decoder.conf", [Seed(scheduler), .. own]);
        await scheduler.WaitForAsync("2 members: 1 scheduler, 1 decoder");
    }

    /// <summary>The cluster's model with one file changed.</summary>
    private string Changed(string name, string file, Func<string, string> change)
    {
        var folder = Directory.CreateDirectory(Folder.At(name)).FullName;
        foreach (var path in Directory.GetFiles(TinyModel.Source))
            File.Copy(path, Path.Combine(folder, Path.GetFileName(path)));
        var changed = Path.Combine(folder, file);
        var text = File.ReadAllText(changed);
        Assert.NotEqual(text, change(text));
        File.WriteAllText(changed, change(text));
        return folder;
    }

    /// <summary>Settings of a member that is its own authority.</summary>
    private string[] Tls(string name)
    {
        var now = TimeProvider.System.GetUtcNow();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var certificate = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        var (pfx, pem) = (Folder.At($"{name}.pfx"), Folder.At($"{name}.pem"));
        File.WriteAllBytes(pfx, certificate.Export(X509ContentType.Pfx));
        File.WriteAllText(pem, certificate.ExportCertificatePem());
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(pfx, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return ["cluster.tls.enabled=on", $"cluster.tls.certificate={pfx}", $"cluster.tls.ca={pem}"];
    }
}
