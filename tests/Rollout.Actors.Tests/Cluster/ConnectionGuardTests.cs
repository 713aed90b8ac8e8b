using System.Net.Sockets;
using Google.Protobuf;
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

    [Fact]
    public async Task Unfinished_messages_of_those_that_spoke_the_protocol_are_held_up_to_a_budget_only()
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
            await stranger.GetStream().WriteAsync(Associate(port: 1000 + i));
            Assert.NotEqual(0, await stranger.GetStream().ReadAsync(new byte[1]));      // it is answered: a peer
        }

        // A megabyte of each is 36 more than the budget of 64 MiB.
        var closed = new List<Task<bool>>();
        foreach (var stranger in strangers)
        {
            await stranger.GetStream().WriteAsync(HalfFrame);
            await stranger.GetStream().WriteAsync(new byte[(1 << 20) - HalfFrame.Length]);
            closed.Add(IsClosedAsync(stranger));
        }
        for (var i = 0; i < 100 - 64; i++)
        {
            var next = await Task.WhenAny(closed);
            Assert.True(await next);
            closed.Remove(next);
        }
        await cluster.StartAsync(ClusterRoles.Decoder);

        Assert.Equal(2, Akka.Cluster.Cluster.Get(member.System).State.Members.Count);
        Assert.Single(tape.Lines, line => line.Contains("unfinished messages on all of them took more than 64 MiB", StringComparison.Ordinal));
        strangers.ForEach(stranger => stranger.Dispose());
        Assert.Equal(64, closed.Count);
        await Task.WhenAll(closed.Select(task => task.ContinueWith(_ => { }, TaskScheduler.Default)));
    }

    /// <summary>The frame with which Akka's protocol begins a connection: who opens it, and its uid.</summary>
    private static byte[] Associate(int port)
    {
        using var origin = new MemoryStream();
        using (var fields = new CodedOutputStream(origin, leaveOpen: true))
        {
            fields.WriteRawTag(0x0A);
            fields.WriteString("rollout");
            fields.WriteRawTag(0x12);
            fields.WriteString("127.0.0.1");
            fields.WriteRawTag(0x18);
            fields.WriteUInt32((uint)port);
            fields.WriteRawTag(0x22);
            fields.WriteString("tcp");
        }
        // fixed64 uid = 2, after the origin
        byte[] handshake = [.. Field(0x0A, origin.ToArray()), 0x11, 1, 0, 0, 0, 0, 0, 0, 0];
        // command = associate, and the handshake
        byte[] control = [0x08, 1, .. Field(0x12, handshake)];
        var message = Field(0x12, control);
        return [.. BitConverter.GetBytes(message.Length), .. message];
    }

    private static byte[] Field(byte tag, byte[] content) => [tag, (byte)content.Length, .. content];

    private static async Task<bool> IsClosedAsync(TcpClient client)
    {
        try
        {
            using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
            while (await client.GetStream().ReadAsync(new byte[1], deadline.Token) > 0)
            {
            }
            return true;
        }
        catch (IOException)
        {
            return true;
        }
    }
}
