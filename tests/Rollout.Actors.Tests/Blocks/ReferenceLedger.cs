using Rollout.Actors.Blocks;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Tests.Blocks;

/// <summary>
/// The ledger again, as plainly as it can be said: nothing is counted along, everything is looked up in the
/// tables, and a cached block is found by its whole text instead of a hash. Block ids may differ from the
/// real ledger's.
/// </summary>
internal sealed class ReferenceLedger(KvCacheGeometry geometry, PolicyVersion version, bool caching)
{
    private readonly Dictionary<SequenceId, Holder> _holders = [];
    private readonly Dictionary<string, int> _hittable = [];
    private readonly List<int> _cached = []; // the one released longest ago first
    private PolicyVersion _version = version;

    private int Total => geometry.BlockCount;

    private IEnumerable<int> Free => Unread.Where(block => !_cached.Contains(block));

    private IEnumerable<int> Unread => Enumerable.Range(0, Total).Where(block => Readers(block) == 0);

    private int Available => Unread.Count();

    public PoolUsage Usage => new(
        Total,
        Free.Count(),
        _cached.Count,
        Total - Available,
        _holders.Values.Sum(holder => holder.Blocks.Count));

    public StepGrant Reserve(StepDemand demand)
    {
        foreach (var written in demand.Written)
            Register(written);
        foreach (var release in demand.Releases)
            End(release.Sequence, release.Admission);
        foreach (var request in demand.Admissions)
        {
            foreach (var member in request.Members)
                End(member, new AdmissionId(request.Admission.Value - 1));
        }

        var changes = new List<TableChange>();
        var copies = new List<BlockCopy>();
        var preempted = new List<SequenceId>();
        var waiting = demand.Growth.ToList();
        while (waiting.Count > 0)
        {
            var growth = waiting[0];
            if (Find(growth.Sequence, growth.Admission) is not { } holder || growth.Tokens <= holder.Tokens)
            {
                waiting.RemoveAt(0);
                continue;
            }

            var tail = holder.Tokens % geometry.BlockSize == 0 ? -1 : holder.Blocks.Count - 1;
            var copied = tail >= 0 && Readers(holder.Blocks[tail]) > 1;
            var needed = geometry.BlocksFor(growth.Tokens) - holder.Blocks.Count + (copied ? 1 : 0);
            if (needed > Available)
            {
                var last = waiting[^1];
                waiting.RemoveAt(waiting.Count - 1);
                if (Find(last.Sequence, last.Admission) is not null)
                {
                    preempted.Add(last.Sequence);
                    End(last.Sequence, last.Admission);
                }

                continue;
            }

            waiting.RemoveAt(0);
            if (copied)
            {
                var block = Take();
                copies.Add(new BlockCopy(new BlockId(holder.Blocks[tail]), new BlockId(block)));
                changes.Add(new TableChange(growth.Sequence, tail, new BlockId(block)));
                holder.Blocks[tail] = block;
            }

            while (holder.Blocks.Count < geometry.BlocksFor(growth.Tokens))
            {
                var block = Take();
                changes.Add(new TableChange(growth.Sequence, holder.Blocks.Count, new BlockId(block)));
                holder.Blocks.Add(block);
            }

            holder.Tokens = growth.Tokens;
        }

        return new StepGrant
        {
            Step = demand.Step,
            Changes = [.. changes],
            Copies = [.. copies],
            Preempted = [.. preempted],
            Answers = Admit(demand.Admissions, preempted.Count > 0),
            Usage = Usage,
        };
    }

    public void ResetPolicy(PolicyVersion version)
    {
        if (version == _version)
            return;
        _version = version;
        _hittable.Clear();
        _cached.Clear();
    }

    private AdmissionAnswer[] Admit(AdmissionRequest[] requests, bool anyPreempted)
    {
        var answers = new List<AdmissionAnswer>();
        foreach (var request in requests)
        {
            var earlier = answers.OfType<AdmissionAnswer.Deferred>().FirstOrDefault();
            if (geometry.BlocksFor(request.MaxLength) > Total)
                answers.Add(new AdmissionAnswer.Refused(geometry.BlocksFor(request.MaxLength), Total));
            else
                answers.Add(earlier ?? Admit(request, anyPreempted));
        }

        return [.. answers];
    }

    private AdmissionAnswer Admit(AdmissionRequest request, bool anyPreempted)
    {
        var hits = new List<int>();
        while ((hits.Count + 1) * geometry.BlockSize < request.Tokens.Length
            && _hittable.TryGetValue(Text(_version, request.Tokens, hits.Count), out var hit))
        {
            hits.Add(hit);
        }

        var needed = geometry.BlocksFor(request.Tokens.Length) - hits.Count;
        var grows = request.Members.Length > 1
            || geometry.BlocksFor(request.Tokens.Length) < geometry.BlocksFor(request.MaxLength);
        var headroom = _holders.Count == 0 || !grows ? 0 : request.Members.Length;
        var missing = needed + headroom - (Available - hits.Count(hit => Readers(hit) == 0));
        if (missing > 0 || anyPreempted)
            return new AdmissionAnswer.Deferred();

        _cached.RemoveAll(hits.Contains);
        var blocks = new List<int>(hits);
        foreach (var member in request.Members)
            _holders[member] = new Holder(request, _version, blocks);
        while (blocks.Count < geometry.BlocksFor(request.Tokens.Length))
        {
            blocks.Add(Take());
            foreach (var member in request.Members)
                _holders[member].Blocks.Add(blocks[^1]);
        }

        return new AdmissionAnswer.Granted(
            [.. blocks.Select(block => new BlockId(block))], hits.Count * geometry.BlockSize);
    }

    private void Register(WrittenTokens written)
    {
        var holder = Find(written.Sequence, written.Admission);
        if (!caching || holder?.Version != _version)
            return;
        var tokens = holder.Request.Tokens;
        for (var i = 0; (i + 1) * geometry.BlockSize <= Math.Min(written.Tokens, tokens.Length); i++)
            _hittable.TryAdd(Text(_version, tokens, i), holder.Blocks[i]);
    }

    private void End(SequenceId sequence, AdmissionId admission)
    {
        if (!_holders.TryGetValue(sequence, out var holder) || holder.Request.Admission.Value > admission.Value)
            return;
        _holders.Remove(sequence);
        foreach (var block in holder.Blocks.AsEnumerable().Reverse())
        {
            if (Readers(block) == 0 && _hittable.ContainsValue(block))
                _cached.Add(block);
        }
    }

    private int Take()
    {
        foreach (var free in Free)
            return free;
        var evicted = _cached[0];
        _cached.RemoveAt(0);
        _hittable.Remove(_hittable.Single(entry => entry.Value == evicted).Key);
        return evicted;
    }

    private Holder? Find(SequenceId sequence, AdmissionId admission) =>
        _holders.TryGetValue(sequence, out var holder) && holder.Request.Admission == admission ? holder : null;

    private int Readers(int block) =>
        _holders.Values.Sum(holder => holder.Blocks.Count(held => held == block));

    private string Text(PolicyVersion policy, ReadOnlyMemory<int> tokens, int block) =>
        $"{policy}: {string.Join(' ', tokens[..((block + 1) * geometry.BlockSize)].ToArray())}";

    private sealed class Holder(AdmissionRequest request, PolicyVersion version, List<int> blocks)
    {
        public AdmissionRequest Request => request;

        public PolicyVersion Version => version;

        public List<int> Blocks { get; } = [.. blocks];

        public int Tokens { get; set; } = request.Tokens.Length;
    }
}
