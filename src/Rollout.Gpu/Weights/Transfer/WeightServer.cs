using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;

namespace Rollout.Gpu.Weights.Transfer;

/// <summary>
/// Sends a trainer's weights to decoder hosts, each over a connection of its own, straight from a copy in host memory. A slow
/// receiver holds up nobody and costs no memory; one that reads nothing for a while is dropped. Connections that don't say
/// soon who they are don't keep receivers out (<see cref="ConnectionGate"/>).
/// </summary>
public sealed class WeightServer : IAsyncDisposable
{
    /// <summary>How long the trainer waits for interrupted receivers before it allocates memory for another copy.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly string _host;
    private readonly Socket _listener;
    private readonly TransferSecurity? _security;
    private readonly TransferOptions _options;
    private readonly ConnectionGate _gate;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _accepting;
    private OfferedWeights? _offered;
    private long _bytesSent;

    /// <summary>Listens; offers nothing yet.</summary>
    /// <param name="host">The name or address to listen at, which offers name too.</param>
    /// <param name="port">The port; 0 takes any free one.</param>
    /// <param name="security">TLS; null sends in the clear.</param>
    /// <param name="options">Limits; null takes the defaults.</param>
    /// <param name="warn">Told a sentence about connections that were turned away, now and then; null where nobody reads it.</param>
    /// <exception cref="WeightTransferException">Nothing can listen there.</exception>
    public WeightServer(
        string host, int port = 0, TransferSecurity? security = null, TransferOptions? options = null,
        Action<string>? warn = null)
    {
        _host = host;
        _security = security;
        _options = options ?? new TransferOptions();
        _gate = new ConnectionGate(
            _options.Connections,
            _options.Time,
            count => warn?.Invoke(
                $"connections to {host}:{Port} (rollout.barrier.transfer-port) were closed because they did not ask for"
                + $" weights within {_options.Greeting.TotalSeconds:0.#} s, or were too many: {count} so far"));
        try
        {
            var address = IPAddress.TryParse(host, out var literal) ? literal : Dns.GetHostAddresses(host)[0];
            _listener = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            _listener.Bind(new IPEndPoint(address, port));
            _listener.Listen();
        }
        catch (SocketException fault)
        {
            _listener?.Dispose();
            throw new WeightTransferException($"weights can't be offered at {host}:{port}: {fault.Message}", fault);
        }
        Port = ((IPEndPoint)_listener.LocalEndPoint!).Port;
        _accepting = AcceptAsync();
    }

    public int Port { get; }

    /// <summary>The number of open connections.</summary>
    public int Connections => _gate.Count;

    /// <summary>The bytes of weights that were handed to the network so far.</summary>
    public long BytesSent => Volatile.Read(ref _bytesSent);

    /// <summary>
    /// Copies a model's weights and offers them; the offer before ends. Blocks while it copies; call it from one thread at a
    /// time.
    /// </summary>
    public WeightOffer Publish(CausalLm model, Policy policy)
    {
        var layout = TransferLayout.Of(model);
        var memory = Interlocked.Exchange(ref _offered, null)?.Withdraw(Patience);
        if (memory is not null && !memory.Layout.FitsMemoryOf(layout))
        {
            memory.Dispose();
            memory = null;
        }
        memory ??= new HostWeights(layout);
        memory.CopyFrom(model);
        var offered = new OfferedWeights(policy, memory, _options.ChunkBytes);
        Volatile.Write(ref _offered, offered);
        return new WeightOffer(
            policy, _host, Port, offered.Token, layout.ByteCount, WeightManifest.ChecksumOf(offered.Manifest));
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);    // which needs no disposal without a timer
        _listener.Dispose();
        await _accepting.ConfigureAwait(false);
        Interlocked.Exchange(ref _offered, null)?.Withdraw(Patience)?.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                var socket = await _listener.AcceptAsync(_stopping.Token).ConfigureAwait(false);
                _ = ServeAsync(socket);
            }
            catch (SocketException)
            {
                // The other side gave up before it was accepted, or there are no file handles for a moment.
                await Task.Delay(100, CancellationToken.None).ConfigureAwait(false);
            }
            catch (Exception fault) when (fault is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        using var io = new CancellationTokenSource(_options.Greeting, _options.Time);
        using var stopping = _stopping.Token.UnsafeRegister(Cancel, io);
        ConnectionGate.Guest? guest = null;
        try
        {
            guest = _gate.Enter(((IPEndPoint)socket.RemoteEndPoint!).Address, socket.Dispose);
            socket.NoDelay = true;
            Stream stream = new NetworkStream(socket, ownsSocket: true);
            await using (stream.ConfigureAwait(false))
            {
                if (_security is not null)
                    stream = await _security.SecureServerAsync(stream, io.Token).ConfigureAwait(false);
                await AnswerAsync(stream, guest, io).ConfigureAwait(false);
            }
        }
        catch (Exception fault) when (fault is IOException or SocketException or OperationCanceledException
            or AuthenticationException or ObjectDisposedException)
        {
            // The other side went away, read nothing, or isn't who it must be: it connects again, or the barrier misses it.
        }
        finally
        {
            socket.Dispose();
            if (guest is not null)
                _gate.Leave(guest);
        }
    }

    private async Task AnswerAsync(Stream stream, ConnectionGate.Guest guest, CancellationTokenSource io)
    {
        var request = new byte[TransferProtocol.RequestBytes];
        await stream.ReadExactlyAsync(request, io.Token).ConfigureAwait(false);
        guest.HasAsked = true;
        var offered = Volatile.Read(ref _offered);
        if (offered is null || !TransferProtocol.HasToken(request, offered.Token) || !offered.TryEnter())
        {
            await stream.WriteAsync(
                TransferProtocol.Answer(TransferAnswer.UnknownToken, 0), io.Token).ConfigureAwait(false);
            return;
        }
        try
        {
            if (!_gate.TryAdmit(guest))
                return;
            io.CancelAfter(_options.Stall);
            using var withdrawn = offered.Withdrawn.UnsafeRegister(Cancel, io);
            await SendAsync(stream, offered, TransferProtocol.PlaceOf(request), io).ConfigureAwait(false);
        }
        finally
        {
            offered.Leave();
        }
    }

    private async Task SendAsync(
        Stream stream, OfferedWeights offered, TransferPlace from, CancellationTokenSource io)
    {
        var tensors = offered.Layout.Tensors;
        if (from.Tensor < 0 || from.Tensor >= tensors.Count
            || from.Offset < 0 || from.Offset > tensors[from.Tensor].ByteCount)
        {
            await stream.WriteAsync(
                TransferProtocol.Answer(TransferAnswer.UnknownPlace, 0), io.Token).ConfigureAwait(false);
            return;
        }
        await stream.WriteAsync(
            TransferProtocol.Answer(TransferAnswer.Agreed, offered.Manifest.Length), io.Token).ConfigureAwait(false);
        await stream.WriteAsync(offered.Manifest, io.Token).ConfigureAwait(false);
        for (var tensor = from.Tensor; tensor < tensors.Count; tensor++)
        {
            var length = tensors[tensor].ByteCount;
            for (var offset = tensor == from.Tensor ? from.Offset : 0; offset < length;)
            {
                var count = (int)Math.Min(_options.ChunkBytes, length - offset);
                io.CancelAfter(_options.Stall);
                await stream.WriteAsync(offered.Bytes(tensor, offset, count), io.Token).ConfigureAwait(false);
                Interlocked.Add(ref _bytesSent, count);
                offset += count;
            }
        }
    }

    private static void Cancel(object? io) => ((CancellationTokenSource)io!).Cancel();
}
