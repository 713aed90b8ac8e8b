using Rollout.Actors.Protocol;
using Rollout.Actors.Topology.Downing;

namespace Rollout.Actors.Tests.Topology.Downing;

/// <summary>
/// Members that judge each other in virtual time, a second a round: heartbeats, reports between schedulers and the news of who
/// is down travel over links that a test cuts, in one or both directions.
/// </summary>
internal sealed class JudgedCluster
{
    /// <summary>A member is silent when no heartbeat came back for so many rounds.</summary>
    private const int Pause = 4;

    private readonly JudgedMember[] _members;
    private readonly DowningJudge[] _judges;
    private readonly HashSet<int>[] _knownDown;
    private readonly int[,] _lastHeard;
    private readonly HashSet<(int From, int To)> _cut = [];
    private readonly HashSet<int> _frozen = [];
    private readonly HashSet<int> _ended = [];
    private int _round;

    /// <param name="schedulers">The oldest members.</param>
    /// <param name="decoders">The next ones.</param>
    /// <param name="clients">The youngest ones.</param>
    public JudgedCluster(int schedulers, int decoders, int clients = 0)
    {
        _members =
        [
            .. Enumerable.Range(0, schedulers + decoders + clients).Select(i => new JudgedMember(
                new HostId($"host-{i}", i), i < schedulers, IsUp: true, i < schedulers + decoders ? 1 : 0)),
        ];
        var times = new DowningTimes(TimeSpan.FromSeconds(15));
        _judges = [.. _members.Select(member => new DowningJudge(member.Id, times))];
        _knownDown = [.. _members.Select(_ => new HashSet<int>())];
        _lastHeard = new int[Count, Count];
    }

    public int Count => _members.Length;

    /// <summary>The numbers of the members that ended, in order.</summary>
    public IEnumerable<int> Ended => _ended.Order();

    /// <summary>The numbers of the members that go on, in order.</summary>
    public IEnumerable<int> Left => Enumerable.Range(0, Count).Except(_ended);

    /// <summary>Nobody who goes on takes another one for down.</summary>
    public bool IsOneCluster => Left.All(one => !_knownDown[one].Overlaps(Left));

    public bool IsScheduler(int member) => _members[member].IsScheduler;

    /// <summary>From now on nothing of <paramref name="from"/> arrives at <paramref name="to"/>.</summary>
    public void Cut(int from, int to) => _cut.Add((from, to));

    public void CutBothWays(int one, int other)
    {
        Cut(one, other);
        Cut(other, one);
    }

    public void MendAll() => _cut.Clear();

    public void Freeze(int member) => _frozen.Add(member);

    public void Thaw(int member) => _frozen.Remove(member);

    /// <summary>Runs rounds; before each, a test may change the links.</summary>
    public void Run(int rounds, Action<int>? before = null)
    {
        for (var i = 0; i < rounds; i++)
        {
            before?.Invoke(i);
            _round++;
            // Frozen ones hear after they have looked: a thawed process first sees that nobody has answered it.
            foreach (var member in Running().ToArray())
                Look(member);
            foreach (var from in Running())
            {
                foreach (var to in Running().Where(to => to != from))
                    Exchange(from, to);
            }
            foreach (var member in Running().Where(member => _knownDown[member].Contains(member)).ToArray())
                _ended.Add(member);
        }
    }

    private IEnumerable<int> Running() =>
        Enumerable.Range(0, Count).Where(member => !_ended.Contains(member) && !_frozen.Contains(member));

    private bool IsSilent(int observer, int other) => other != observer
        && (IsScheduler(observer) || IsScheduler(other)) && _round - _lastHeard[observer, other] > Pause;

    private void Look(int member)
    {
        var known = Enumerable.Range(0, Count).Where(other => !_knownDown[member].Contains(other)).ToArray();
        var lost = _judges[member].Look(
            TimeSpan.FromSeconds(_round),
            [.. known.Select(other => _members[other])],
            known.Where(other => IsSilent(member, other)).Select(other => _members[other].Id).ToHashSet());
        _knownDown[member].UnionWith(known.Where(other => lost.Contains(_members[other].Id)));
    }

    private void Exchange(int from, int to)
    {
        if (_cut.Contains((from, to)))
            return;
        if (!_cut.Contains((to, from)))
            _lastHeard[from, to] = _lastHeard[to, from] = _round;
        if (IsScheduler(from) && IsScheduler(to))
            _judges[to].Accept(_judges[from].Rows);
        // Akka gossips to nobody whom the sender doesn't hear from.
        if (!IsSilent(from, to))
            _knownDown[to].UnionWith(_knownDown[from]);
    }
}
