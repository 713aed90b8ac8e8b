using System.IO.Hashing;
using System.Net.Sockets;
using System.Security.Authentication;
using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Weights.Transfer;

/// <summary>
/// Downloads the weights of one offer for a <see cref="WeightReceiver"/>: connects, reads chunk by chunk into memory and checks
/// each tensor. After a lost connection it goes on at the byte where it stopped, and so does a failed download that runs
/// again. It reads a tensor with a wrong checksum again.
/// </summary>
internal sealed class WeightDownload(
    WeightOffer offer,
    TransferLayout expected,
    Func<TransferLayout, HostWeights> takeMemory,
    TransferSecurity? security,
    TransferOptions options)
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(1);

    private readonly XxHash3 _hash = new();
    private TransferPlace _place;       // what has arrived and is hashed
    private int _corruptions;           // since the last tensor with a right checksum

    private string Source => $"{offer.Host}:{offer.Port}";

    /// <summary>The memory that is being filled; null before the manifest has arrived.</summary>
    public HostWeights? Memory { get; private set; }

    /// <summary>Gives away what has been filled: the download can't go on.</summary>
    public HostWeights? ReleaseMemory()
    {
        var memory = Memory;
        Memory = null;
        return memory;
    }

    /// <exception cref="WeightTransferException">See <see cref="WeightReceiver.FetchAsync"/>.</exception>
    public async Task<HostWeights> RunAsync(CancellationToken superseded)
    {
        using var deadline = new CancellationTokenSource(options.Timeout, options.Time);
        _corruptions = 0;
        using var either = CancellationTokenSource.CreateLinkedTokenSource(superseded, deadline.Token);
        var fault = "nothing answered";
        for (var fruitless = 0; ; fruitless++)
        {
            var before = _place;
            try
            {
                if (fruitless > 0)
                    await Task.Delay(Delay(fruitless), options.Time, either.Token).ConfigureAwait(false);
                return await ReceiveAsync(deadline, either.Token).ConfigureAwait(false);
            }
            catch (Exception) when (superseded.IsCancellationRequested)
            {
                throw new WeightTransferException($"{offer.Policy} from {Source} is no longer wanted");
            }
            catch (Exception cause) when (deadline.IsCancellationRequested)
            {
                throw new WeightTransferException(
                    $"nothing of {offer.Policy} came from {Source} for {options.Timeout}: {_place.Tensor} of"
                    + $" {expected.Tensors.Count} tensors had arrived, and then: {fault}",
                    cause);
            }
            catch (InvalidDataException cause)
            {
                fault = cause.Message;
                if (++_corruptions >= options.MaxCorruptions)
                    throw new WeightTransferException($"{offer.Policy} can't be fetched from {Source}: {fault}", cause);
            }
            catch (AuthenticationException cause)
            {
                fault = $"the two refuse each other's certificates ({cause.GetBaseException().Message})";
                if (++_corruptions >= options.MaxCorruptions)
                    throw new WeightTransferException($"{offer.Policy} can't be fetched from {Source}: {fault}", cause);
            }
            catch (OperationCanceledException)
            {
                fault = $"nothing came for {options.Stall}";
            }
            catch (Exception cause) when (cause is IOException or SocketException)
            {
                fault = cause.GetBaseException().Message;
            }
            if (_place != before)
                fruitless = 0;
        }
    }

    private static TimeSpan Delay(int fruitless) => TimeSpan.FromTicks(
        Math.Min(LongestDelay.Ticks, FirstDelay.Ticks << Math.Min(fruitless - 1, 10)));

    /// <param name="deadline">Put off by every byte that arrives.</param>
    /// <param name="cancel">Ends the attempt.</param>
    private async Task<HostWeights> ReceiveAsync(CancellationTokenSource deadline, CancellationToken cancel)
    {
        using var io = new CancellationTokenSource(options.Stall, options.Time);
        using var cancelled = cancel.UnsafeRegister(source => ((CancellationTokenSource)source!).Cancel(), io);
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        socket.NoDelay = true;
        await socket.ConnectAsync(offer.Host, offer.Port, io.Token).ConfigureAwait(false);
        Stream stream = new NetworkStream(socket);
        if (security is not null)
            stream = await security.SecureClientAsync(stream, offer.Host, io.Token).ConfigureAwait(false);
        await using (stream.ConfigureAwait(false))
        {
            await stream.WriteAsync(TransferProtocol.Request(offer.Token, _place), io.Token).ConfigureAwait(false);
            var manifest = await ReadManifestAsync(stream, io.Token).ConfigureAwait(false);
            Memory ??= takeMemory(manifest.Layout);
            while (_place.Tensor < manifest.Layout.Tensors.Count)
                await ReadTensorAsync(stream, Memory, manifest, io, deadline).ConfigureAwait(false);
            return Memory;
        }
    }

    private async Task<WeightManifest> ReadManifestAsync(Stream stream, CancellationToken cancel)
    {
        var head = new byte[TransferProtocol.AnswerBytes];
        await stream.ReadExactlyAsync(head, cancel).ConfigureAwait(false);
        var (answer, length) = TransferProtocol.ReadAnswer(head);
        if (answer != TransferAnswer.Agreed)
            throw new InvalidDataException("it does not offer this policy, or not any more");
        var encoded = new byte[length];
        await stream.ReadExactlyAsync(encoded, cancel).ConfigureAwait(false);
        if (WeightManifest.ChecksumOf(encoded) != offer.Checksum)
            throw new InvalidDataException("the manifest does not have the offer's checksum");
        var manifest = WeightManifest.Decode(encoded);
        if (manifest.Policy != offer.Policy || manifest.Layout.ByteCount != offer.Bytes)
            throw new InvalidDataException("the manifest describes other weights than the offer");
        return expected.WhyNot(manifest.Layout) is { } reason
            ? throw new WeightTransferException(
                $"the trainer has another model than this host: {reason} from {Source}")
            : manifest;
    }

    private async Task ReadTensorAsync(
        Stream stream,
        HostWeights memory,
        WeightManifest manifest,
        CancellationTokenSource io,
        CancellationTokenSource deadline)
    {
        var (number, tensor) = (_place.Tensor, manifest.Layout.Tensors[_place.Tensor]);
        while (_place.Offset < tensor.ByteCount)
        {
            io.CancelAfter(options.Stall);
            var piece = memory.Bytes(
                number, _place.Offset, (int)Math.Min(options.ChunkBytes, tensor.ByteCount - _place.Offset));
            var count = await stream.ReadAsync(piece, io.Token).ConfigureAwait(false);
            if (count == 0)
                throw new EndOfStreamException("the connection was closed");
            deadline.CancelAfter(options.Timeout);
            _hash.Append(piece.Span[..count]);
            _place = _place with { Offset = _place.Offset + count };
        }
        var checksum = _hash.GetCurrentHashAsUInt64();
        _hash.Reset();
        if (checksum != manifest.Checksums[number])
        {
            _place = new TransferPlace(number, 0);
            throw new InvalidDataException($"tensor {tensor.Name} arrived damaged: its checksum differs");
        }
        _corruptions = 0;
        _place = new TransferPlace(number + 1, 0);
    }
}
