using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Tests.Weights.Transfer;

/// <summary>What a relay does to one connection. Positions count bytes of one direction from 0.</summary>
/// <param name="CutAfter">Bytes to the receiver after which the connection closes.</param>
/// <param name="StallAfter">Bytes to the receiver after which nothing comes, and the connection stays open.</param>
/// <param name="FlipToReceiver">A byte to change.</param>
/// <param name="FlipToServer">A byte to change.</param>
internal sealed record Fault(
    long CutAfter = long.MaxValue,
    long StallAfter = long.MaxValue,
    long FlipToReceiver = -1,
    long FlipToServer = -1)
{
    public static Fault None { get; } = new();
}

/// <summary>Stands between a receiver and a server, and does to each connection in turn what the test says.</summary>
internal sealed class FaultyRelay : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly ConcurrentBag<Task> _running = [];
    private readonly Task _accepting;
    private readonly Func<int, Fault> _faultOf;
    private long _toReceiver;

    /// <param name="server">Where the weights are.</param>
    /// <param name="faultOf">By the connection's number, from 0.</param>
    public FaultyRelay(WeightOffer server, Func<int, Fault> faultOf)
    {
        _faultOf = faultOf;
        _listener.Start();
        Offer = server with { Port = ((IPEndPoint)_listener.LocalEndpoint).Port };
        _accepting = AcceptAsync(server.Port);
    }

    /// <summary>The same offer, through this relay.</summary>
    public WeightOffer Offer { get; }

    public int Connections { get; private set; }

    /// <summary>Bytes passed on, over all connections.</summary>
    public long BytesToReceiver => Volatile.Read(ref _toReceiver);

    /// <summary>Set when some connection has passed on a first byte to the receiver.</summary>
    public TaskCompletionSource Reached { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Set when some connection has fallen silent.</summary>
    public TaskCompletionSource Stalled { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Set when the receiver has closed some connection.</summary>
    public TaskCompletionSource ReceiverLeft { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        // The listener stops last: one that is stopped can't be asked to accept.
        await _accepting;
        _listener.Stop();
        await Task.WhenAll(_running);
        _stopping.Dispose();
    }

    private async Task AcceptAsync(int serverPort)
    {
        try
        {
            while (true)
            {
                var receiver = await _listener.AcceptSocketAsync(_stopping.Token);
                _running.Add(RelayAsync(receiver, serverPort, _faultOf(Connections++)));
            }
        }
        catch (Exception fault) when (fault is OperationCanceledException or SocketException)
        {
        }
    }

    private async Task RelayAsync(Socket receiver, int serverPort, Fault fault)
    {
        using (receiver)
        using (var server = new Socket(SocketType.Stream, ProtocolType.Tcp))
        {
            await server.ConnectAsync(IPAddress.Loopback, serverPort);
            var up = PassAsync(receiver, server, new Fault(FlipToReceiver: fault.FlipToServer), count: false);
            await PassAsync(server, receiver, fault, count: true);
            // Not closed: that would take back what is on its way.
            receiver.Shutdown(SocketShutdown.Send);
            await up;
        }
    }

    private async Task PassAsync(Socket from, Socket to, Fault fault, bool count)
    {
        var buffer = new byte[4096];
        try
        {
            for (var done = 0L; ;)
            {
                var got = await from.ReceiveAsync(buffer, _stopping.Token);
                if (got == 0)
                    return;
                if (fault.FlipToReceiver >= done && fault.FlipToReceiver < done + got)
                    buffer[fault.FlipToReceiver - done] ^= 0x10;
                var passed = (int)Math.Min(got, Math.Min(fault.CutAfter, fault.StallAfter) - done);
                // Counted first: the test may look as soon as the last byte is received.
                if (count)
                    Interlocked.Add(ref _toReceiver, passed);
                await to.SendAsync(buffer.AsMemory(0, passed), _stopping.Token);
                done += passed;
                if (count)
                    Reached.TrySetResult();
                if (done == fault.CutAfter)
                    return;
                if (done == fault.StallAfter)
                {
                    Stalled.TrySetResult();
                    await Task.Delay(Timeout.Infinite, _stopping.Token);
                }
            }
        }
        catch (Exception end) when (end is SocketException or OperationCanceledException or ObjectDisposedException)
        {
        }
        finally
        {
            if (!count)
                ReceiverLeft.TrySetResult();
        }
    }
}
