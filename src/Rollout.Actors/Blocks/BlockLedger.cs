using System.Diagnostics.CodeAnalysis;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Blocks;

/// <summary>
/// Records who holds which blocks of one device's KV pool. Its one owner calls it serially, while the device still
/// computes earlier steps. Stale requests are ignored: growth or written tokens of a sequence that was preempted
/// meanwhile. A release for admission n frees what the sequence holds under n or earlier. A request under n first frees
/// anything held under earlier admissions. What only a bug can ask for throws, with the ids.
/// </summary>
public sealed class BlockLedger
{
    private readonly KvCacheGeometry _geometry;
    private readonly PromptHashes _hashes;
    private readonly BlockPool _pool;
    private readonly PrefixCache _cache;
    private readonly TableGrowth _growth;
    private readonly DemandCheck _check = new();
    private readonly Dictionary<SequenceId, BlockTable> _tables = [];

    // Refilled by each reservation.
    private readonly List<SequenceId> _preempted = [];
    private long _reservations;

    public BlockLedger(KvCacheGeometry geometry, PolicyVersion version, bool prefixCaching = true)
    {
        ArgumentNullException.ThrowIfNull(geometry);
        ArgumentOutOfRangeException.ThrowIfLessThan(geometry.BlockSize, 1, nameof(geometry));
        _geometry = geometry;
        _hashes = new PromptHashes(geometry.BlockSize, prefixCaching);
        _pool = new BlockPool(geometry.BlockCount);
        _cache = new PrefixCache(_pool);
        _growth = new TableGrowth(geometry, _pool, _cache);
        Version = version;
#if DEBUG
        Audited = true;
#endif
    }

    /// <summary>The policy whose keys and values may be read and written.</summary>
    public PolicyVersion Version { get; private set; }

    /// <summary>
    /// Recounts everything after each change, and throws when something is wrong. On in debug builds.
    /// </summary>
    public bool Audited { get; init => field |= value; }

    public PoolUsage Usage => _pool.Usage;

    /// <summary>Sequences that hold blocks.</summary>
    public int SequenceCount => _tables.Count;

    /// <summary>What is wrong with the ledger, in a sentence; null when it balances.</summary>
    public string? Imbalance() => LedgerAudit.Imbalance(_pool, _cache, _tables.Values);

    /// <summary>
    /// Grants the blocks of one step: handles written tokens, releases, growth and admissions, in that order. No block is
    /// the destination of two copies. All sources are read before anything is written: a block may be the source of one
    /// copy and, once its last holder was preempted, the destination of another.
    /// </summary>
    public StepGrant Reserve(StepDemand demand)
    {
        ArgumentNullException.ThrowIfNull(demand);
        _check.Require(demand, Version);
        _growth.Clear();
        _preempted.Clear();
        _reservations++;

        foreach (var written in demand.Written)
            Register(written);
        foreach (var release in demand.Releases)
            EndAdmissions(release.Sequence, release.Admission);
        foreach (var request in demand.Admissions)
            EndOlderAdmissions(request);
        Grow(demand.Growth);
        var answers = Admit(demand.Admissions);

        Audit();
        return new StepGrant
        {
            Step = demand.Step,
            Changes = _growth.Changes.ToArray(),
            Copies = _growth.Copies.ToArray(),
            Preempted = _preempted.ToArray(),
            Answers = answers,
            Usage = Usage,
        };
    }

    /// <summary>
    /// Forgets all cached blocks, because they are of an older policy. Sequences keep their blocks, which are free when
    /// the last holder is gone. The version may be equal or smaller, because each training run starts its own count.
    /// </summary>
    public void ResetPolicy(PolicyVersion version)
    {
        Version = version;
        _cache.Clear();
        Audit();
    }

    /// <summary>
    /// Lets full blocks be hit whose keys and values are on the device. Where the policy has changed since the
    /// admission, they may be of both policies and are left out.
    /// </summary>
    private void Register(WrittenTokens written)
    {
        if (!TryFind(written.Sequence, written.Admission, out var table) || table.Prompt.Version != Version)
            return;
        var hashes = table.Prompt.Hashes;
        var blocks = Math.Min(written.Tokens / _geometry.BlockSize, hashes.Length);
        for (var i = 0; i < blocks; i++)
            _cache.Register(hashes[i], table[i]);
    }

    private void EndOlderAdmissions(AdmissionRequest request)
    {
        foreach (var member in request.Members)
        {
            if (EndAdmissions(member, new AdmissionId(request.Admission.Value - 1)) is { } held)
            {
                throw new InvalidOperationException(
                    $"{request.Admission} of {member} asks for blocks while {held} holds some");
            }
        }
    }

    /// <summary>
    /// Releases the sequence's blocks if they are of this admission or an older one; otherwise returns their admission.
    /// </summary>
    private AdmissionId? EndAdmissions(SequenceId sequence, AdmissionId admission)
    {
        if (!_tables.TryGetValue(sequence, out var table))
            return null;
        if (table.Prompt.Admission.Value > admission.Value)
            return table.Prompt.Admission;
        Release(table);
        return null;
    }

    /// <summary>Releases from the last block to the first, so that a block is evicted before its parent.</summary>
    private void Release(BlockTable table)
    {
        for (var i = table.Count - 1; i >= 0; i--)
            _cache.Release(table[i]);
        _tables.Remove(table.Sequence);
    }

    /// <summary>
    /// Grows sequences from the oldest on. Where blocks are missing, the youngest listed sequence that holds some is
    /// preempted, and in the end the one that grows. A sequence that has grown keeps its blocks.
    /// </summary>
    private void Grow(SequenceGrowth[] growth)
    {
        var end = growth.Length; // Sequences from here on are preempted.
        for (var i = 0; i < end; i++)
        {
            if (Growing(growth[i]) is not { } table)
                continue;
            table.ListedIn = _reservations;
            while (_growth.Needed(table, growth[i].Tokens) > _pool.AvailableCount)
            {
                end--;
                var last = end == i ? table : Growing(growth[end]);
                if (last is not null)
                {
                    Release(last);
                    _preempted.Add(last.Sequence);
                }
                if (end == i)
                    return;
            }

            _growth.Extend(table, growth[i].Tokens);
        }
    }

    /// <summary>The table to grow; null if the request is stale.</summary>
    private BlockTable? Growing(SequenceGrowth growth)
    {
        if (!TryFind(growth.Sequence, growth.Admission, out var table))
            return null;
        if (table.ListedIn == _reservations)
            throw new InvalidOperationException($"{growth.Sequence} is to grow twice in one step");
        var longest = table.Prompt.MaxLength;
        if (growth.Tokens > longest)
        {
            throw new InvalidOperationException(
                $"{growth.Sequence} is to grow to {growth.Tokens} tokens but has at most {longest}");
        }

        return table;
    }

    private AdmissionAnswer[] Admit(AdmissionRequest[] requests)
    {
        if (requests.Length == 0)
            return [];
        var answers = new AdmissionAnswer[requests.Length];
        AdmissionAnswer.Deferred? deferred = null;
        for (var i = 0; i < requests.Length; i++)
        {
            var longest = _geometry.BlocksFor(requests[i].MaxLength);
            if (longest > _pool.Count)
                answers[i] = new AdmissionAnswer.Refused(longest, _pool.Count);
            else
                answers[i] = deferred ?? Admit(requests[i]);
            deferred ??= answers[i] as AdmissionAnswer.Deferred;
        }

        return answers;
    }

    /// <summary>
    /// Grants the prompt if each member could then grow by a block, or if nobody holds blocks. In a step that
    /// preempted, all prompts wait: the preempted sequences come first.
    /// </summary>
    private AdmissionAnswer Admit(AdmissionRequest request)
    {
        var (members, tokens) = (request.Members, request.Tokens);
        var hashes = _hashes.Of(tokens, Version);

        // The last token is computed even where its block is cached, because its logits are needed.
        var hittable = Math.Min(hashes.Length, (tokens.Length - 1) / _geometry.BlockSize);
        var hits = _cache.Match(hashes.AsSpan(0, hittable));
        var total = _geometry.BlocksFor(tokens.Length);
        var evictable = _pool.AvailableCount;
        foreach (var hit in hits)
            evictable -= _pool.IsCached(hit) ? 1 : 0;
        // A lone sequence whose blocks hold its greatest length never asks for another.
        var grows = members.Length > 1 || total < _geometry.BlocksFor(request.MaxLength);
        var headroom = _tables.Count == 0 || !grows ? 0 : members.Length;
        var missing = total - hits.Length + headroom - evictable;
        if (_preempted.Count > 0 || missing > 0)
            return new AdmissionAnswer.Deferred();

        var blocks = new BlockId[total];
        hits.CopyTo(blocks);
        foreach (var hit in hits)
            _pool.Share(hit, members.Length);
        for (var i = hits.Length; i < blocks.Length; i++)
        {
            blocks[i] = _cache.Allocate();
            if (members.Length > 1)
                _pool.Share(blocks[i], members.Length - 1);
        }

        var prompt = new AdmittedPrompt(request.Admission, Version, tokens.Length, request.MaxLength, hashes);
        var capacity = _geometry.BlocksFor(request.MaxLength);
        foreach (var member in members)
            _tables.Add(member, new BlockTable(member, prompt, blocks, capacity));
        return new AdmissionAnswer.Granted(blocks, hits.Length * _geometry.BlockSize);
    }

    private bool TryFind(SequenceId sequence, AdmissionId admission, [NotNullWhen(true)] out BlockTable? table) =>
        _tables.TryGetValue(sequence, out table) && table.Prompt.Admission == admission;

    private void Audit()
    {
        if (Audited && Imbalance() is { } imbalance)
            throw new InvalidOperationException($"the block ledger does not balance: {imbalance}");
    }
}
