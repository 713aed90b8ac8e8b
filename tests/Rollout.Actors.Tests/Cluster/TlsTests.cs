using Rollout.Actors.Settings;
using Rollout.Actors.Topology;
using Xunit;

namespace Rollout.Actors.Tests.Cluster;

/// <summary>Members with certificates of one authority let each other in, and nobody else.</summary>
[Collection(ClusterCollection.Name)]
public sealed class TlsTests : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private readonly InProcessCluster _cluster = new() { JoinTimeout = TimeSpan.FromSeconds(20) };
    private readonly TestAuthority _own;
    private readonly TestAuthority _foreign;

    public TlsTests()
    {
        _own = new TestAuthority(_folder, "own");
        _foreign = new TestAuthority(_folder, "foreign");
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _cluster.DisposeAsync();
        _own.Dispose();
        _foreign.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Members_of_one_authority_form_a_cluster_and_those_of_another_stay_out()
    {
        var tape = new LineTape();
        _cluster.Tls = _own.Issue();
        var first = await _cluster.StartAsync(tape.Say, ClusterRoles.Scheduler);
        _cluster.Tls = _own.Issue();
        await _cluster.StartAsync(ClusterRoles.Decoder);
        await tape.WaitForAsync("2 members: 1 scheduler, 1 decoder");

        _cluster.Tls = _foreign.Issue();
        await AssertRefusedAsync("shows a certificate that is not of the authority in rollout.cluster.tls.ca");
        // One that trusts the cluster's authority, and has its own certificate from another.
        var both = _folder.Write("both.pem", $"{File.ReadAllText(_own.Pem)}\n{File.ReadAllText(_foreign.Pem)}\n");
        _cluster.Tls = _foreign.Issue() with { Ca = both };
        await AssertRefusedAsync("refuses the certificate in rollout.cluster.tls.certificate");
        _cluster.Tls = null;
        _cluster.JoinTimeout = TimeSpan.FromSeconds(4);
        await AssertRefusedAsync("wants TLS: enable rollout.cluster.tls with a certificate of its authority");

        Assert.Null(first.WhyEnded());
        Assert.Equal(2, Akka.Cluster.Cluster.Get(first.System).State.Members.Count);
    }

    [Fact]
    public async Task A_first_seed_node_finds_a_cluster_of_the_others_that_has_TLS()
    {
        var seeds = InProcessCluster.FreeAddresses(2);
        _cluster.Tls = _own.Issue();
        await _cluster.StartSeedAsync(seeds[1], [seeds[1]]);

        var first = await _cluster.StartSeedAsync(seeds[0], seeds);

        Assert.Equal(2, Akka.Cluster.Cluster.Get(first.System).State.Members.Count);
    }

    [Fact]
    public async Task A_cluster_without_TLS_is_not_joined_with_it()
    {
        await _cluster.StartAsync(ClusterRoles.Scheduler);
        _cluster.Tls = _own.Issue();

        await AssertRefusedAsync("does not speak TLS, and rollout.cluster.tls is enabled");
    }

    [Fact]
    public void A_certificate_of_another_authority_does_not_fit() =>
        AssertUnusable(_own.Issue() with { Ca = _foreign.Pem }, "does not fit the authority");

    [Fact]
    public void A_certificate_that_has_expired_does_not_fit() =>
        AssertUnusable(_own.Issue(days: -1), "does not fit the authority");

    [Fact]
    public void A_file_that_others_can_read_is_refused()
    {
        if (OperatingSystem.IsWindows())
            return;
        var tls = _own.Issue();
        File.SetUnixFileMode(tls.Certificate, UnixFileMode.UserRead | UnixFileMode.OtherRead);

        AssertUnusable(tls, $"'{tls.Certificate}': expected a file that only its owner can read (chmod 600)");
    }

    [Fact]
    public void A_password_that_does_not_open_the_file_is_named_by_its_variable()
    {
        const string Variable = "ROLLOUT_TEST_PFX_PASSWORD";
        var tls = _own.Issue(password: "right");
        AssertUnusable(tls, "expected a PKCS #12 file that no password opens");

        Environment.SetEnvironmentVariable(Variable, "wrong");
        AssertUnusable(tls with { PasswordEnv = Variable }, $"the password in {Variable} opens");
        Environment.SetEnvironmentVariable(Variable, "right");
        using var certificates = ClusterCertificates.Load(tls with { PasswordEnv = Variable });
        Assert.True(certificates!.Own.HasPrivateKey);
        Environment.SetEnvironmentVariable(Variable, null);
    }

    [Fact]
    public void An_authority_that_is_no_certificate_is_named()
    {
        var tls = _own.Issue() with { Ca = _folder.Write("no.pem", "no certificate") };

        AssertUnusable(tls, $"rollout.cluster.tls.ca '{tls.Ca}': expected a certificate in PEM");
    }

    private static void AssertUnusable(TlsSettings tls, string sentence)
    {
        var refused = Assert.Throws<ConfigurationException>(() => ClusterCertificates.Load(tls)?.Dispose());
        Assert.Contains(sentence, refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refused.Message);
    }

    private async Task AssertRefusedAsync(string sentence)
    {
        var refused = await Assert.ThrowsAsync<ConfigurationException>(() => _cluster.StartAsync(ClusterRoles.Decoder));
        Assert.Contains(sentence, refused.Message, StringComparison.Ordinal);
    }
}
