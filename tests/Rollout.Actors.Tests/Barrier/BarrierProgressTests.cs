using FsCheck.Fluent;
using Rollout.Actors.Barrier;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Barrier;

public sealed class BarrierProgressTests
{
    private static readonly Policy Now = new(Run: 9, new PolicyVersion(5));

    [Fact]
    public void It_is_over_exactly_when_all_participants_have_arrived_or_are_gone() => Prop.ForAll(
        Gen.Choose(0, 5).ArrayOf().ToArbitrary(),
        (from who in Gen.Choose(0, 7)
         from version in Gen.Choose(4, 6)
         from leaves in Gen.Elements(true, false)
         select (Who: who, Version: version, Leaves: leaves)).ArrayOf().ToArbitrary(),
        (participants, events) =>
        {
            var progress = new BarrierProgress(Now, participants.Select(Id));
            var awaited = participants.ToHashSet();
            foreach (var (who, version, leaves) in events)
            {
                Assert.Equal(awaited.Count == 0, progress.IsOver);
                if (leaves)
                {
                    progress.Leave(Id(who));
                    awaited.Remove(who);
                }
                else
                {
                    Assert.Equal(
                        version == 5 && awaited.Remove(who),
                        progress.Arrive(Id(who), Now with { Version = new PolicyVersion(version) }));
                }
                Assert.Equal(awaited.Order().Select(Id), progress.Missing);
            }
            Assert.Equal(awaited.Count == 0, progress.IsOver);
        }).Holds(runs: 300);

    [Fact]
    public void A_barrier_of_nobody_is_over_at_once() => Assert.True(new BarrierProgress(Now, []).IsOver);

    private static DecoderId Id(int number) => new(new HostId("here:1", 1), $"cuda:{number}");
}
