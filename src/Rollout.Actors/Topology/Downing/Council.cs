using System.Numerics;
using Rollout.Actors.Protocol;

namespace Rollout.Actors.Topology.Downing;

/// <summary>
/// Decides who goes when some members can't reach each other; used by <see cref="DowningJudge"/>. Only schedulers vote. The
/// council is the majority of them that all reach each other and whose staying costs the fewest members. Every other
/// scheduler goes, and so does every other member that some scheduler of the council can't reach. Equal knowledge gives equal
/// verdicts, and members that don't go have no broken link to a scheduler.
/// </summary>
public static class Council
{
    /// <summary>A scheduler that goes costs as much as two decoders: its work is taken over, and the decoders' is moved.</summary>
    private const int SchedulerWorth = 2;

    /// <summary>The number of schedulers that vote, the oldest ones: all subsets of them are compared.</summary>
    private const int MaxVoters = 9;

    /// <summary>The members that go.</summary>
    /// <param name="self">The scheduler that judges.</param>
    /// <param name="members">All members, the oldest first.</param>
    /// <param name="broken">The links that are broken as far as <paramref name="self"/> knows.</param>
    public static IReadOnlySet<HostId> WhoGoes(
        HostId self, IReadOnlyList<JudgedMember> members, IReadOnlySet<Link> broken)
    {
        // The other side of a cut may count a joining scheduler as up: it counts against members that can't reach it.
        JudgedMember[] voters =
        [
            .. members.Where(member => member.IsScheduler && (member.IsUp || broken.Contains(Link.Between(self, member.Id))))
                .Take(MaxVoters),
        ];
        var (best, cost) = (0u, int.MaxValue);
        for (var council = (1u << voters.Length) - 1; council > 0; council--)
        {
            if (!IsMajority(council, voters.Length) || !AllReachEachOther(council, voters, broken))
                continue;
            var itsCost = CostOf(council, voters, members, broken);
            var isLarger = BitOperations.PopCount(council) > BitOperations.PopCount(best);
            if (itsCost < cost || (itsCost == cost && isLarger))
                (best, cost) = (council, itsCost);
        }
        return Lost(best, voters, members, broken).Select(member => member.Id).ToHashSet();
    }

    /// <summary>True for a member that reaches most of the schedulers that are up, and where there are none.</summary>
    public static bool IsWithMajority(HostId self, IReadOnlyList<JudgedMember> members, Func<HostId, bool> reaches)
    {
        JudgedMember[] voters = [.. members.Where(member => member.IsScheduler && member.IsUp).Take(MaxVoters)];
        var reached = 0u;
        for (var i = 0; i < voters.Length; i++)
        {
            if (voters[i].Id == self || reaches(voters[i].Id))
                reached |= BitOf(i, voters.Length);
        }
        return voters.Length == 0 || IsMajority(reached, voters.Length);
    }

    /// <summary>The oldest voter has the highest bit: of equal halves, its half is the majority.</summary>
    private static bool IsMajority(uint council, int voters)
    {
        var twice = 2 * BitOperations.PopCount(council);
        return twice > voters || (twice == voters && (council & BitOf(0, voters)) != 0);
    }

    private static uint BitOf(int voter, int voters) => 1u << (voters - 1 - voter);

    private static bool AllReachEachOther(uint council, JudgedMember[] voters, IReadOnlySet<Link> broken)
    {
        var inside = Inside(council, voters).ToArray();
        return !inside.Any(one => inside.Any(other => broken.Contains(Link.Between(one.Id, other.Id))));
    }

    private static int CostOf(
        uint council, JudgedMember[] voters, IReadOnlyList<JudgedMember> members, IReadOnlySet<Link> broken) =>
        Lost(council, voters, members, broken).Sum(member => member.IsScheduler ? SchedulerWorth : member.Worth);

    private static IEnumerable<JudgedMember> Lost(
        uint council, JudgedMember[] voters, IReadOnlyList<JudgedMember> members, IReadOnlySet<Link> broken)
    {
        var inside = Inside(council, voters).ToArray();
        return members.Where(member => !inside.Contains(member)
            && (voters.Contains(member) || inside.Any(voter => broken.Contains(Link.Between(voter.Id, member.Id)))));
    }

    private static IEnumerable<JudgedMember> Inside(uint council, JudgedMember[] voters) =>
        voters.Where((_, i) => (council & BitOf(i, voters.Length)) != 0);
}
