using Rollout.Actors.Blocks;

namespace Rollout.Actors.Batching;

/// <summary>
/// Which waiting prompts ask for blocks with the next demand: first come first served, as many as there are places and
/// tokens left in a step.
/// </summary>
internal sealed class AdmissionPlan(PlannerLimits limits, RequestQueue waiting)
{
    private List<Sequence[]> _asked = [];
    private int _admissions;

    /// <summary>Takes prompts out of the queue and asks for them.</summary>
    /// <param name="held">Sequences with blocks.</param>
    /// <param name="prefillTokens">Tokens of admitted prompts that are in no step yet.</param>
    public AdmissionRequest[] Ask(IReadOnlyList<Sequence> held, int prefillTokens)
    {
        if (limits.StaticBatch && held.Count > 0)
            return [];
        var requests = new List<AdmissionRequest>();
        var slots = limits.MaxNumSeqs - held.Count;
        var tokens = limits.MaxNumBatchedTokens - prefillTokens;
        while (!waiting.IsEmpty && slots > 0 && (tokens > 0 || limits.StaticBatch) && MayJoin(waiting.First.Members[0], held))
        {
            var members = waiting.Take(IsLastTry(waiting.First.Members[0]) ? 1 : slots);
            _asked.Add(members);
            slots -= members.Length;
            tokens -= members[0].Count;
            requests.Add(new AdmissionRequest(
                [.. members.Select(member => member.Id)],
                ++_admissions,
                members[0].Tokens.ToArray(),
                members.Max(member => member.MaxLength)));
            foreach (var member in members)
                member.Admission = _admissions;
        }
        return [.. requests];
    }

    /// <summary>What was asked for, in the order of the requests; they are answered by now.</summary>
    public List<Sequence[]> TakeAsked()
    {
        var asked = _asked;
        _asked = [];
        return asked;
    }

    /// <summary>
    /// A sequence in its last try runs alone, so that it can fail no other. One that was preempted waits until the token
    /// that a step under way draws for it has come: its prompt isn't known before.
    /// </summary>
    private bool MayJoin(Sequence candidate, IReadOnlyList<Sequence> held)
    {
        if (candidate.Pending > 0)
            return false;
        var alone = held.Count == 0 && _asked.Count == 0;
        var besideSuspect = held.Any(IsLastTry) || _asked.Exists(members => IsLastTry(members[0]));
        return alone || (!IsLastTry(candidate) && !besideSuspect);
    }

    private bool IsLastTry(Sequence sequence) =>
        sequence.Failures > 0 && sequence.Failures == limits.MaxStepRetries;
}
