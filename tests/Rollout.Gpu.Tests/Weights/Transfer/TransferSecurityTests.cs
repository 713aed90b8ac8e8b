using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Tests.Support;
using Rollout.Gpu.Weights.Transfer;
using Xunit;

namespace Rollout.Gpu.Tests.Weights.Transfer;

public sealed class TransferSecurityTests
{
    /// <summary>Gives up when it has tried for ten seconds, which take no time.</summary>
    private static TransferOptions Quick => TransferRig.Patient with
    {
        Timeout = TimeSpan.FromSeconds(10),
        Time = new ManualTime { Skips = TimeSpan.FromSeconds(1) },
    };

    [Fact]
    public async Task Two_that_accept_each_other_transfer_under_TLS()
    {
        using var own = Certificate("node");
        var security = new TransferSecurity(own, Only(own));
        await using var rig = new TransferRig(serverSecurity: security, receiverSecurity: security);

        await rig.TakeAsync(rig.Offer);

        rig.AssertTaken(TransferRig.One);
    }

    [Fact]
    public async Task A_receiver_with_a_foreign_certificate_gets_nothing()
    {
        using var own = Certificate("node");
        using var foreign = Certificate("stranger");
        await using var rig = new TransferRig(
            options: Quick,
            serverSecurity: new TransferSecurity(own, Only(own)),
            receiverSecurity: new TransferSecurity(foreign, Only(own)));

        await Assert.ThrowsAsync<WeightTransferException>(() => rig.TakeAsync(rig.Offer));

        Assert.Equal(0, rig.Server.BytesSent);
    }

    [Fact]
    public async Task A_server_with_a_foreign_certificate_is_told_no_token()
    {
        using var own = Certificate("node");
        using var foreign = Certificate("stranger");
        await using var rig = new TransferRig(
            options: Quick,
            serverSecurity: new TransferSecurity(foreign, Only(own)),
            receiverSecurity: new TransferSecurity(own, Only(own)));

        var fault = await Assert.ThrowsAsync<WeightTransferException>(() => rig.TakeAsync(rig.Offer));

        Assert.Contains("refuse each other's certificate", fault.Message);
        Assert.Equal(0, rig.Server.BytesSent);
    }

    [Fact]
    public async Task A_receiver_in_the_clear_gets_nothing_from_a_secured_server()
    {
        using var own = Certificate("node");
        await using var rig = new TransferRig(options: Quick, serverSecurity: new TransferSecurity(own, Only(own)));

        await Assert.ThrowsAsync<WeightTransferException>(() => rig.TakeAsync(rig.Offer));

        Assert.Equal(0, rig.Server.BytesSent);
    }

    private static RemoteCertificateValidationCallback Only(X509Certificate2 accepted)
    {
        var hash = accepted.GetCertHashString();
        return (_, certificate, _, _) => certificate?.GetCertHashString() == hash;
    }

    private static X509Certificate2 Certificate(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var now = TimeProvider.System.GetUtcNow();
        using var made = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pfx), null);
    }
}
