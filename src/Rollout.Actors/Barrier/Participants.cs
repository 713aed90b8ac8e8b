using Rollout.Actors.Membership;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Barrier;

/// <summary>The decoders that take part in the step barrier, and which of them a phase waits for.</summary>
/// <param name="self">The trainer's host, whose decoders alone can share its memory.</param>
internal sealed class Participants(HostId self)
{
    private readonly Roster<Participant> _roster = new(knowsHosts: true);

    public IEnumerable<Participant> All => _roster.Present;

    /// <summary>Decoders that compute with the trainer's memory.</summary>
    public IEnumerable<DecoderId> Sharers => All.Where(decoder => decoder.SharesWeights).Select(decoder => decoder.Id);

    public Participant? Find(DecoderId id) => _roster.Find(id);

    /// <summary>
    /// Registers a decoder that joins, or joins again. Null if its host or incarnation is gone, or it can't share this
    /// memory.
    /// </summary>
    public Participant? Enter(JoinBarrier join)
    {
        if (!_roster.Admits(join.Id, join.Incarnation) || (join.SharesWeights && join.Id.Host != self))
            return null;
        var participant = Find(join.Id);
        if (participant?.Incarnation != join.Incarnation)
            _roster.Admit(join.Id, join.Incarnation, participant = new Participant(join));
        participant.HasSpoken = true;
        if (join.Holds is { } policy)
            participant.Confirm(policy);
        return participant;
    }

    /// <summary>Removes an incarnation that has ended. True if it took part.</summary>
    public bool Remove(DecoderId id, int incarnation) =>
        _roster.RecordLoss(new DecoderLost(id, incarnation, "it stopped", ComesBack: true, DecodersOfHost: 0)) is not null;

    /// <summary>Removes a host that is gone. Gives those of its decoders that took part.</summary>
    public IReadOnlyList<Participant> Remove(HostId host) => _roster.RecordHostLoss(host);

    /// <summary>Removes a decoder until it joins again.</summary>
    public void Expel(DecoderId id) => _roster.Expel(id);

    /// <summary>
    /// A new policy takes the place of another. Gives those that are waited for: they took the one before in time. Others
    /// have just joined or can't keep up, and are waited for only where there is nobody else.
    /// </summary>
    public IReadOnlyList<DecoderId> AwaitedAfter(Policy before)
    {
        ForgetWhoSpoke();
        var keepUp = All.Where(decoder => decoder.KeepsUpWith(before)).ToArray();
        return [.. (keepUp.Length > 0 ? keepUp : All).Select(decoder => decoder.Id)];
    }

    /// <summary>Notes who has not fetched a policy by its deadline.</summary>
    public void MarkLate(Policy policy)
    {
        foreach (var decoder in All.Where(decoder => !decoder.SharesWeights && decoder.Holds != policy))
            decoder.MissDeadline(policy);
    }

    /// <summary>Decoders that missed the deadline of a policy which somebody else has; none where nobody has it.</summary>
    public IEnumerable<DecoderId> LateBehindOthers(Policy policy) => All.Any(decoder => decoder.Holds == policy)
        ? All.Where(decoder => decoder.HasMissed(policy) && decoder.Holds != policy).Select(decoder => decoder.Id)
        : [];

    /// <summary>Decoders that have not repeated their join since the last call, or since the policy changed.</summary>
    public IReadOnlyList<DecoderId> TakeSilent()
    {
        DecoderId[] silent = [.. All.Where(decoder => !decoder.HasSpoken).Select(decoder => decoder.Id)];
        ForgetWhoSpoke();
        return silent;
    }

    private void ForgetWhoSpoke()
    {
        foreach (var decoder in All)
            decoder.HasSpoken = false;
    }
}
