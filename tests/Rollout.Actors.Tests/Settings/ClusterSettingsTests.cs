using Rollout.Actors.Settings;
using Xunit;

namespace Rollout.Actors.Tests.Settings;

/// <summary>The section cluster: who joins whom, and what is open to whom.</summary>
public sealed class ClusterSettingsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Without_seed_nodes_a_process_has_all_roles_and_with_them_those_it_is_given()
    {
        Assert.Equal(["scheduler", "decoder", "trainer"], Read().Roles);
        Assert.Equal(["decoder"], Read("cluster.roles=[decoder]").Roles);
        Assert.Empty(Read("cluster.seed-nodes=[\"a:1\"]").Roles);
    }

    [Fact]
    public void Seed_nodes_are_names_or_addresses_with_their_ports()
    {
        var seeds = Read("""cluster.seed-nodes=["gpu-1.example:4053", "10.0.0.7:1", "[::1]:65535"]""").SeedNodes;

        Assert.Equal([new("gpu-1.example", 4053), new("10.0.0.7", 1), new("::1", 65535)], seeds);
        Assert.Equal(["gpu-1.example:4053", "10.0.0.7:1", "[::1]:65535"], seeds.Select(seed => seed.ToString()));
    }

    [Theory]
    [InlineData("here")]
    [InlineData("here:0")]
    [InlineData("here:65536")]
    [InlineData(":4053")]
    [InlineData("::1:4053")]
    [InlineData("a b:4053")]
    [InlineData("akka.tcp://rollout@here:4053")]
    public void A_seed_node_that_is_no_address_is_named(string seed) => AssertRefused(
        $"rollout.cluster.seed-nodes = […]: expected a list of \"host:port\", and '{seed}' is none",
        $"cluster.seed-nodes=[\"{seed}\"]");

    [Fact]
    public void Other_machines_reach_an_address_only_with_tls_or_insecure_network()
    {
        const string Expected = "127.0.0.1 or another loopback address without cluster.tls, unless insecure-network = on";
        foreach (var host in (string[])["0.0.0.0", "10.0.0.7", "gpu-1.example"])
        {
            AssertRefused($": expected {Expected}", $"cluster.hostname={host}");
            Assert.Equal(host, Read($"cluster.hostname={host}", "cluster.insecure-network=on").Hostname);
        }
        foreach (var host in (string[])["127.0.0.1", "127.3.2.1", "localhost", "::1"])
            Assert.Equal(host, Read($"cluster.hostname={host}").Hostname);
    }

    [Fact]
    public void With_tls_the_files_must_be_there_and_any_address_is_open()
    {
        var (certificate, ca) = (_folder.Write("member.pfx", "-"), _folder.Write("ca.pem", "-"));
        string[] on = ["cluster.tls.enabled=on", "cluster.hostname=10.0.0.7"];

        AssertRefused("rollout.cluster.tls.certificate is not set: expected a PKCS #12 file with this member's certificate and key", on);
        AssertRefused(
            "rollout.cluster.tls.ca is not set: expected a PEM file with the certificate of the cluster's authority",
            [.. on, $"cluster.tls.certificate={certificate}"]);
        string[] both = [.. on, $"cluster.tls.certificate={certificate}", $"cluster.tls.ca={ca}"];
        AssertRefused(
            "rollout.cluster.tls.password-env = \"ROLLOUT_NO_SUCH_VARIABLE\": expected an environment variable that is set",
            [.. both, "cluster.tls.password-env=ROLLOUT_NO_SUCH_VARIABLE"]);
        Assert.Equal(new TlsSettings { Certificate = certificate, Ca = ca, PasswordEnv = "" }, Read(both).Tls);
        Assert.Null(Read().Tls);
    }

    [Theory]
    [InlineData("cluster.roles=[client]", "rollout.cluster.roles = […]: expected a list of scheduler, decoder or trainer, each at most once")]
    [InlineData("cluster.devices=[cuda]", "rollout.cluster.devices = […]: expected a list of cpu or cuda:N, each at most once")]
    [InlineData("cluster.devices=[cpu, cpu]", "rollout.cluster.devices = […]: expected a list of cpu or cuda:N, each at most once")]
    [InlineData("cluster.hostname=a b", "rollout.cluster.hostname = \"a b\": expected a host name or an IP address")]
    [InlineData("cluster.seed-nodes=[\"a:1\", \"a:1\"]", "rollout.cluster.seed-nodes = […]: expected each address once")]
    public void A_value_that_does_not_do_is_one_sentence(string argument, string sentence) => AssertRefused(sentence, argument);

    [Theory]
    [InlineData("cluster.seed-nodes=[\"a:1\"]", "cluster.roles=[scheduler, decoder]", "trainer among them, as this process trains")]
    [InlineData("cluster.seed-nodes=[]", "cluster.roles=[trainer]", "all three, as this process is alone without seed-nodes")]
    public void Who_trains_has_the_role_of_a_trainer_and_others_to_sample_for_it(
        string seeds, string roles, string expected)
    {
        var tree = ConfigTree.Load(overrides: [seeds, roles, "model.path=."]);

        var refused = Assert.Throws<ConfigurationException>(() => RolloutSettings.ForTraining(tree));

        Assert.Equal($"--set: rollout.cluster.roles = […]: expected {expected}", refused.Message);
    }

    private static ClusterSettings Read(params string[] overrides) =>
        RolloutSettings.From(ConfigTree.Load(overrides: overrides)).Cluster;

    private static void AssertRefused(string sentence, params string[] overrides) => Assert.EndsWith(
        sentence, Assert.Throws<ConfigurationException>(() => Read(overrides)).Message, StringComparison.Ordinal);
}
