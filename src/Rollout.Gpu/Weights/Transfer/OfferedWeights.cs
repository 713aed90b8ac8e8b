using System.IO.Hashing;
using System.Security.Cryptography;
using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Weights.Transfer;

/// <summary>
/// One policy version that a <see cref="WeightServer"/> offers: a copy that doesn't change while anybody reads it. The offer
/// ends when the next one takes its place: nobody may begin to read, and readers are interrupted.
/// </summary>
internal sealed class OfferedWeights : IDisposable
{
    private readonly HostWeights _memory;
    private readonly CancellationTokenSource _withdrawn = new();
    private readonly TaskCompletionSource _unread = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private int _readers;
    private bool _ended;

    /// <param name="policy">The policy that the weights belong to.</param>
    /// <param name="memory">The weights; they belong to this object until the offer is withdrawn.</param>
    /// <param name="chunkBytes">The number of bytes to hash at a time.</param>
    public OfferedWeights(Policy policy, HostWeights memory, int chunkBytes)
    {
        _memory = memory;
        Policy = policy;
        Token = RandomNumberGenerator.GetBytes(TransferProtocol.TokenBytes);
        Manifest = new WeightManifest(
            policy, memory.Layout, [.. memory.Layout.Tensors.Select((_, i) => Checksum(i, chunkBytes))]).Encode();
    }

    public Policy Policy { get; }

    public TransferLayout Layout => _memory.Layout;

    public byte[] Token { get; }

    /// <summary>The encoded <see cref="WeightManifest"/>.</summary>
    public byte[] Manifest { get; }

    /// <summary>Cancelled when the offer ends.</summary>
    public CancellationToken Withdrawn => _withdrawn.Token;

    public ReadOnlyMemory<byte> Bytes(int tensor, long offset, int count) => _memory.Bytes(tensor, offset, count);

    /// <summary>Lets a reader in until it calls <see cref="Leave"/>; false when the offer has ended.</summary>
    public bool TryEnter()
    {
        lock (_gate)
        {
            if (!_ended)
                _readers++;
            return !_ended;
        }
    }

    public void Leave()
    {
        lock (_gate)
        {
            if (--_readers == 0 && _ended)
                _unread.SetResult();
        }
    }

    /// <summary>
    /// Ends the offer. Returns the memory, which is then the caller's, if the readers left in time. Otherwise the memory is freed
    /// with the last reader, and the result is null.
    /// </summary>
    public HostWeights? Withdraw(TimeSpan patience)
    {
        lock (_gate)
        {
            _ended = true;
            if (_readers == 0)
                _unread.SetResult();
        }
        _withdrawn.Cancel();
        if (_unread.Task.Wait(patience))
        {
            _withdrawn.Dispose();
            return _memory;
        }
        _unread.Task.ContinueWith(_ => Dispose(), TaskScheduler.Default);
        return null;
    }

    /// <summary>Frees the memory; call it when nobody reads.</summary>
    public void Dispose()
    {
        _withdrawn.Dispose();
        _memory.Dispose();
    }

    private ulong Checksum(int tensor, int chunkBytes)
    {
        var hash = new XxHash3();
        var length = Layout.Tensors[tensor].ByteCount;
        for (var done = 0L; done < length; done += chunkBytes)
            hash.Append(_memory.Bytes(tensor, done, (int)Math.Min(chunkBytes, length - done)).Span);
        return hash.GetCurrentHashAsUInt64();
    }
}
