using Akka.Actor;
using Akka.Cluster;
using Rollout.Actors.Settings;

namespace Rollout.Actors.Topology.Downing;

/// <summary>
/// Switches off this member's failure detectors for members that are no schedulers, as this one is none: a broken link
/// between two decoders makes neither unreachable. Used by <see cref="Topology.DowningActor"/>.
/// <para>
/// One case needs more. The cluster's leader lets members in and out once it knows that all have seen the latest gossip, and
/// Akka passes that knowledge on over a third member by chance only. While a member waits for a leader that this member
/// doesn't hear, it switches that detector on for a moment every few looks: it finds the leader unreachable and reachable
/// again, and both spread as new gossip that this member has seen.
/// </para>
/// </summary>
/// <param name="cluster">The cluster, for its leader.</param>
internal sealed class IgnoredLinks(Cluster cluster)
{
    private const int LooksBeforeNudge = 4;
    private const int LooksOfNudge = 2;

    private readonly Dictionary<Address, LinkDetector> _detectors = [];
    private Address? _silentLeader;
    private int _looks;

    public void Add(LinkDetector detector) => _detectors[Address.Parse(detector.Address)] = detector;

    /// <summary>Switches each detector off or on.</summary>
    public void Update(IReadOnlyCollection<Member> members)
    {
        foreach (var gone in _detectors.Keys.Except(members.Select(member => member.Address)).ToArray())
        {
            if (!cluster.FailureDetector.IsMonitoring(gone))
                _detectors.Remove(gone);
        }
        FollowLeader(members);
        foreach (var member in members)
        {
            if (_detectors.TryGetValue(member.Address, out var detector))
            {
                var isNudged = _looks > LooksBeforeNudge && member.Address.Equals(_silentLeader);
                detector.IsIgnored = !member.HasRole(ClusterRoles.Scheduler) && !isNudged;
            }
        }
    }

    private void FollowLeader(IReadOnlyCollection<Member> members)
    {
        if (_looks is 0 or >= LooksBeforeNudge + LooksOfNudge)
            (_looks, _silentLeader) = (0, FindSilentLeader());
        var doesSomebodyWait = members.Any(member => member.Status != MemberStatus.Up);
        _looks = doesSomebodyWait && _silentLeader is not null ? _looks + 1 : 0;
    }

    private Address? FindSilentLeader() =>
        _detectors.Values.Any(detector => detector.IsSilent)
        && cluster.State.Leader is { } leader
        && _detectors.TryGetValue(leader, out var detector) && detector is { IsIgnored: true, IsSilent: true }
            ? leader
            : null;
}
