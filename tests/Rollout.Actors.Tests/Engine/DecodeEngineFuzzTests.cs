using System.Globalization;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Engine;

/// <summary>Arrivals, aborts, recalls, returns, new policies and failing steps, all at once.</summary>
public sealed class DecodeEngineFuzzTests
{
    private const string SeedVariable = "ENGINE_FUZZ_SEED";

    [Fact]
    public void Whatever_happens_to_a_group_its_samples_are_those_of_an_undisturbed_run()
    {
        var given = Environment.GetEnvironmentVariable(SeedVariable);
        var first = given is null ? 1 : int.Parse(given, CultureInfo.InvariantCulture);
        for (var seed = first; seed < first + 200; seed++)
        {
            try
            {
                new History(seed).Run();
            }
            catch (Exception fault)
            {
                throw new InvalidOperationException($"{SeedVariable}={seed}: {fault.Message}", fault);
            }
        }
    }

    /// <summary>One engine and what becomes of the groups that it is given.</summary>
    private sealed class History
    {
        private readonly Random _random;
        private readonly EngineRig _rig;
        private readonly GroupRequest[] _groups;
        private readonly List<GroupRequest> _live = [];
        private readonly List<(GroupRequest Group, SampleStart Start)> _recalled = [];
        private readonly HashSet<GroupId> _aborted = [];
        private readonly (double Fault, double Abort, double Recall, double Swap) _odds;
        private int _next;
        private int _version;

        public History(int seed)
        {
            _random = new Random(seed);
            int[] sizes = [1, 2, 3, 4, 8, 16];
            var blockSize = sizes[_random.Next(sizes.Length)];
            var seqs = _random.Next(1, 14);
            _rig = new EngineRig(
                new EngineScenario(blockSize, (90 / blockSize) + 2 + _random.Next(1, 80), seqs, seqs + _random.Next(0, 60))
                {
                    StepsAhead = _random.Next(1, 3),
                });
            _odds = (Chance(0.33) ? 0.02 : 0, _random.NextDouble() * 0.03, _random.NextDouble() * 0.1, Chance(0.5) ? 0 : 0.03);
            _rig.Runner.BeforeStep = (_, _) =>
            {
                if (Chance(_odds.Fault))
                    throw new InvalidOperationException("luck");
            };
            _rig.Runner.FaultyDraws = batch =>
                batch.DrawCount > 0 && Chance(_odds.Fault) ? [_random.Next(batch.DrawCount)] : [];
            var common = Tokens(60);
            _groups = [.. Enumerable.Range(0, _random.Next(3, 20)).Select(id => Group(id, common))];
        }

        public void Run()
        {
            for (var step = 0; ; step++)
            {
                Assert.True(step < 30_000, "no end in sight");
                Add();
                Abort();
                Recall();
                Return();
                Swap();
                if (!_rig.Step() && _next == _groups.Length && _recalled.Count == 0)
                    break;
            }
            _rig.Samples.Add(_rig.Engine.TakeOutcomes());
            foreach (var group in _groups.Where(group => !_aborted.Contains(group.Id)))
            {
                var outcome = Assert.Single(_rig.Samples.Groups([group]));
                if (outcome is GroupFinished finished)
                    Assert.All(finished.Completions, completion => Groups.AssertSampledAsSaid(group, completion));
                else
                    Assert.True(_odds.Fault > 0, ((GroupFailed)outcome).Reason);
            }
            _rig.AssertIdle();
        }

        private void Add()
        {
            if (_next == _groups.Length || !Chance(0.3))
                return;
            _rig.Engine.Add(_groups[_next]);
            _live.Add(_groups[_next++]);
        }

        private void Abort()
        {
            if (_live.Count == 0 || !Chance(_odds.Abort))
                return;
            var group = Any(_live);
            if (_rig.Samples.Groups([group]).Count > 0)
                return;
            _rig.Engine.Abort(group.Id);
            _recalled.RemoveAll(one => one.Group == group);
            if (Chance(0.5))
            {
                // The same samples again, as after another assignment.
                _rig.Engine.Add(group, [.. Enumerable.Range(0, group.Samples.Length).Select(SampleStart.New)
                    .Where(start => _rig.Samples.Completions(group.Id).All(done => done.Sample != start.Sample))]);
                return;
            }
            _aborted.Add(group.Id);
            _live.Remove(group);
        }

        private void Recall()
        {
            if (_live.Count == 0 || !Chance(_odds.Recall))
                return;
            var group = Any(_live);
            int[]? samples = Chance(0.5) ? null : [.. Enumerable.Range(0, group.Samples.Length).Where(_ => Chance(0.5))];
            foreach (var start in _rig.Engine.Recall(group.Id, samples, runningToo: Chance(0.5)))
                _recalled.Add((group, start));
        }

        private void Return()
        {
            if (_recalled.Count == 0 || !Chance(0.3))
                return;
            var group = Any(_recalled).Group;
            var starts = _recalled.Where(one => one.Group == group).Select(one => one.Start).ToArray();
            _recalled.RemoveAll(one => one.Group == group);
            if (_rig.Samples.Groups([group]) is not [GroupFailed])
                _rig.Engine.Add(group, starts);
        }

        private void Swap()
        {
            if (!Chance(_odds.Swap))
                return;
            if (_rig.Engine.IsDemandOut)
                _rig.Step(reserveAhead: false);
            Assert.Equal(0, _rig.Runner.StepsUnderWay);
            _rig.SwapPolicy(new PolicyVersion(++_version));
        }

        private GroupRequest Group(int id, int[] common)
        {
            int[] prompt = Chance(0.2)
                ? common[.._random.Next(1, 60)]
                : [.. common[..(Chance(0.33) ? 0 : _random.Next(0, 40))], .. Tokens(_random.Next(1, 30))];
            var samples = Enumerable.Range(0, _random.Next(1, 7)).Select(_ => new SamplingParams
            {
                MaxTokens = _random.Next(1, 28),
                Seed = 7,
                StopTokenIds = [.. Enumerable.Range(0, _random.Next(0, 40))],
            });
            return new GroupRequest(new GroupId(id), prompt, [.. samples]);
        }

        private int[] Tokens(int count) => [.. Enumerable.Range(0, count).Select(_ => _random.Next(1000))];

        private bool Chance(double odds) => _random.NextDouble() < odds;

        private T Any<T>(List<T> items) => items[_random.Next(items.Count)];
    }
}
