using System.IO.Hashing;
using System.Security.Cryptography;
using Rollout.Gpu.Contracts;

namespace Rollout.Gpu.Weights.Transfer;

/// <summary>
/// One version on offer: a copy that does not change while anybody reads it. It ends when the next takes its place:
/// nobody may begin to read, and who reads is interrupted.
/// </summary>
internal sealed class OfferedWeights : IDisposable
{
    private readonly HostWeights _memory;
    private readonly CancellationTokenSource _withdrawn = new();
    private readonly TaskCompletionSource _unread = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private int _readers;
    private bool _ended;

    /// <param name="policy">Whose weights.</param>
    /// <param name="memory">Holds them; this object's until it is withdrawn.</param>
    /// <param name="chunkBytes">Bytes to hash at a time.</param>
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

    /// <summary>Encoded.</summary>
    public byte[] Manifest { get; }

    /// <summary>Cancelled when this is no longer offered.</summary>
    public CancellationToken Withdrawn => _withdrawn.Token;

    public ReadOnlyMemory<byte> Bytes(int tensor, long offset, int count) => _memory.Bytes(tensor, offset, count);

    /// <summary>The caller reads until it leaves; false when this is no longer offered.</summary>
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
    /// Ends the offer. The memory is the caller's when the readers left in time; or else it is freed with the last one, and
    /// the answer is null.
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

    /// <summary>When nobody reads.</summary>
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
