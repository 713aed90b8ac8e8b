using Rollout.Gpu.Contracts;
using Rollout.Gpu.Models;

namespace Rollout.Gpu.Weights.Transfer;

/// <summary>
/// A host's end of weight transfers: one transfer an offer, however many devices want it, into one piece of memory that is
/// used for version after version. What arrived last is kept for devices that come later, and what arrived before a
/// transfer failed is kept for the next try of the same offer.
/// </summary>
public sealed class WeightReceiver : IDisposable
{
    private readonly TransferLayout _expected;
    private readonly TransferSecurity? _security;
    private readonly TransferOptions _options;
    private readonly Lock _gate = new();
    private Transfer? _latest;
    private HostWeights? _spare;
    private bool _disposed;

    /// <param name="expected">The layout of this host's model: what must be offered, but for types.</param>
    /// <param name="security">TLS; null for connections without it.</param>
    /// <param name="options">Null takes the defaults.</param>
    internal WeightReceiver(
        TransferLayout expected, TransferSecurity? security = null, TransferOptions? options = null)
    {
        _expected = expected;
        _security = security;
        _options = options ?? new TransferOptions();
    }

    /// <summary>A receiver for all devices of this host that hold such a model.</summary>
    public WeightReceiver(CausalLm model, TransferSecurity? security = null, TransferOptions? options = null)
        : this(TransferLayout.Of(model), security, options)
    {
    }

    /// <summary>The weights of an offer, once they are here. The caller gives them back.</summary>
    /// <exception cref="WeightTransferException">The transfer failed or timed out, or a newer offer replaced it.</exception>
    /// <exception cref="OperationCanceledException">The caller doesn't want them any more.</exception>
    internal async Task<ReceivedWeights> FetchAsync(WeightOffer offer, CancellationToken cancel)
    {
        var transfer = Join(offer);
        try
        {
            return new ReceivedWeights(await transfer.Arrived.WaitAsync(cancel).ConfigureAwait(false), () => Leave(transfer));
        }
        catch
        {
            Leave(transfer);
            throw;
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            Drop();
            _spare?.Dispose();
            _spare = null;
        }
    }

    private Transfer Join(WeightOffer offer)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_latest is { } latest)
            {
                if (IsOlder(offer, latest.Offer))
                    throw new WeightTransferException($"{offer.Policy} is no longer wanted: {latest.Offer.Policy} is offered");
                if (IsSame(offer, latest.Offer))
                {
                    latest.Users++;
                    if (latest.HasFailed)
                        Start(latest);
                    return latest;
                }
                Drop();
            }
            _latest = new Transfer(offer, new WeightDownload(offer, _expected, TakeMemory, _security, _options)) { Users = 1 };
            Start(_latest);
            return _latest;
        }
    }

    private void Start(Transfer transfer)
    {
        transfer.HasFailed = false;
        transfer.Arrived = ReceiveAsync(transfer);
    }

    private static bool IsSame(WeightOffer one, WeightOffer other) =>
        one.Policy == other.Policy && one.Checksum == other.Checksum && one.Token.AsSpan().SequenceEqual(other.Token);

    private static bool IsOlder(WeightOffer offer, WeightOffer than) =>
        offer.Policy.Run == than.Policy.Run && offer.Policy.Version.Value < than.Policy.Version.Value;

    private async Task<HostWeights> ReceiveAsync(Transfer transfer)
    {
        await Task.Yield();     // the caller holds the gate
        try
        {
            var arrived = await transfer.Download.RunAsync(transfer.Cancel.Token).ConfigureAwait(false);
            lock (_gate)
                transfer.Memory = arrived;
            return arrived;
        }
        catch
        {
            lock (_gate)
            {
                transfer.HasFailed = true;
                if (!ReferenceEquals(transfer, _latest))
                    KeepUnfinished(transfer);
            }
            throw;
        }
        finally
        {
            lock (_gate)
                FreeIfUnused(transfer);
        }
    }

    /// <summary>A user has finished with the weights, or gave up waiting. A transfer that others want goes on.</summary>
    private void Leave(Transfer transfer)
    {
        lock (_gate)
        {
            if (--transfer.Users > 0)
                return;
            if (ReferenceEquals(transfer, _latest) && transfer is { HasFailed: false, Memory: null })
                Drop();
            else
                FreeIfUnused(transfer);
        }
    }

    /// <summary>Drops the latest transfer: cancels it if it is under way, and frees its memory once nobody uses it.</summary>
    private void Drop()
    {
        if (_latest is not { } dropped)
            return;
        _latest = null;
        dropped.Cancel.Cancel();
        if (dropped.HasFailed)
            KeepUnfinished(dropped);
        FreeIfUnused(dropped);
    }

    private void KeepUnfinished(Transfer transfer)
    {
        if (transfer.Download.ReleaseMemory() is { } unfinished)
            Keep(unfinished);
    }

    private void FreeIfUnused(Transfer transfer)
    {
        if (ReferenceEquals(transfer, _latest) || transfer.Users > 0 || transfer.Memory is not { } memory)
            return;
        transfer.Memory = null;
        Keep(memory);
    }

    private HostWeights TakeMemory(TransferLayout layout)
    {
        HostWeights? spare;
        lock (_gate)
            (spare, _spare) = (_spare, null);
        if (spare is not null && spare.Layout.FitsMemoryOf(layout))
            return spare;
        spare?.Dispose();
        return new HostWeights(layout);
    }

    private void Keep(HostWeights memory)
    {
        if (_disposed || _spare is not null)
            memory.Dispose();
        else
            _spare = memory;
    }

    /// <summary>One offer on its way, or here. Everything that changes is guarded by the receiver's gate.</summary>
    private sealed class Transfer(WeightOffer offer, WeightDownload download)
    {
        public WeightOffer Offer { get; } = offer;

        public WeightDownload Download { get; } = download;

        public CancellationTokenSource Cancel { get; } = new();

        public Task<HostWeights> Arrived { get; set; } = Task.FromCanceled<HostWeights>(new CancellationToken(true));

        /// <summary>What arrived, until the receiver has it back.</summary>
        public HostWeights? Memory { get; set; }

        /// <summary>The download has ended with an error, and can be tried again.</summary>
        public bool HasFailed { get; set; }

        /// <summary>Those that wait for it or use it.</summary>
        public int Users { get; set; }
    }
}

/// <summary>Weights that arrived, lent to one user.</summary>
internal sealed class ReceivedWeights(HostWeights memory, Action giveBack) : IDisposable
{
    private Action? _giveBack = giveBack;

    public HostWeights Memory { get; } = memory;

    public void Dispose() => Interlocked.Exchange(ref _giveBack, null)?.Invoke();
}
