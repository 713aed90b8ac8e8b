using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Tests.Blocks;

/// <summary>Submits groups whose prompts often begin alike, some too long for any pool.</summary>
internal sealed class SimulatedClient(ChoiceTape tape)
{
    private long _groups;

    public List<SimulatedSequence> NewGroup()
    {
        var group = new GroupId(++_groups);
        var family = tape.Next(3);
        var common = tape.Next(13);
        var own = Math.Max(tape.Next(6), common == 0 ? 1 : 0);
        int[] prompt =
        [
            .. Enumerable.Range(0, common).Select(position => position * (family + 2) % 5),
            .. Enumerable.Range(0, own).Select(_ => tape.Next(3)),
        ];
        var maxLength = prompt.Length + 1 + tape.Next(tape.Chance(5) ? 200 : 24);
        return [.. Enumerable.Range(0, 1 + tape.Next(5))
            .Select(sample => new SimulatedSequence(new SequenceId(group, sample), prompt, maxLength))];
    }
}
