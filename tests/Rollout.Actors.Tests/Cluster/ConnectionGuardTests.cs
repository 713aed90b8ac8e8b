using System.Net.Sockets;
using Rollout.Actors.Settings;
using Xunit;

namespace Rollout.Actors.Tests.Cluster;

/// <summary>The cluster's port under connections of strangers, without TLS.</summary>
[Collection(ClusterCollection.Name)]
public sealed class ConnectionGuardTests
{
    private const int OfAddress = 16;

    /// <summary>A frame of 4 MB in little-endian, of which a kilobyte comes.</summary>
    private static readonly byte[] HalfFrame = [0x00, 0x09, 0x3D, 0x00, .. new byte[1024]];

    [Fact]
    public async Task Messages_that_never_end_are_held_of_a_few_connections_only_and_keep_nobody_out()
    {
        await using var cluster = new InProcessCluster(LogTape.Akka);
        var member = await cluster.StartAsync(ClusterRoles.Scheduler);
        var tape = new LogTape(member);
        var strangers = new List<TcpClient>();
        for (var i = 0; i < 100; i++)
        {
            var stranger = new TcpClient();
            strangers.Add(stranger);
            await stranger.ConnectAsync(member.Address.Host, member.Address.Port);
            await stranger.GetStream().WriteAsync(HalfFrame);
        }

        foreach (var stranger in strangers.Take(strangers.Count - OfAddress))
            Assert.True(await IsClosedAsync(stranger));
        await cluster.StartAsync(ClusterRoles.Decoder);

        Assert.Equal(2, Akka.Cluster.Cluster.Get(member.System).State.Members.Count);
        Assert.Single(tape.Lines, line => line.Contains("connections to the cluster's port were closed", StringComparison.Ordinal));
        strangers.ForEach(stranger => stranger.Dispose());
    }

    private static async Task<bool> IsClosedAsync(TcpClient client)
    {
        try
        {
            using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
            return await client.GetStream().ReadAsync(new byte[1], deadline.Token) == 0;
        }
        catch (IOException)
        {
            return true;
        }
    }
}
