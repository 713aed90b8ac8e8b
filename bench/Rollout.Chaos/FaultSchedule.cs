namespace Rollout.Chaos;

internal enum FaultKind
{
    /// <summary>SIGKILL, and a new process a while later.</summary>
    Kill,

    /// <summary>SIGSTOP, and SIGCONT before anybody gives it up.</summary>
    ShortPause,

    /// <summary>
    /// SIGSTOP for longer than the cluster waits, where nothing else changes meanwhile: what was given up comes back a
    /// stranger.
    /// </summary>
    LongPause,

    /// <summary>SIGTERM, and a new process a while later.</summary>
    Leave,
}

internal enum Victim
{
    Decoder,
    Scheduler,

    /// <summary>The one with the job, which goes on with --resume.</summary>
    Client,
}

/// <summary>One thing that happens to one process.</summary>
/// <param name="After">The time since the fault before.</param>
/// <param name="On">Which kind of process.</param>
/// <param name="Index">Which of the three.</param>
/// <param name="Kind">What.</param>
/// <param name="Lasts">Until it is resumed or restarted.</param>
internal sealed record Fault(TimeSpan After, Victim On, int Index, FaultKind Kind, TimeSpan Lasts);

/// <summary>What happens to whom and when, by a seed alone.</summary>
internal static class FaultSchedule
{
    /// <summary>Without end.</summary>
    public static IEnumerable<Fault> Of(int seed)
    {
        var random = new Random(seed);
        while (true)
        {
            var kind = random.Next(100) switch
            {
                < 50 => FaultKind.Kill,
                < 75 => FaultKind.ShortPause,
                < 85 => FaultKind.LongPause,
                _ => FaultKind.Leave,
            };
            yield return new Fault(
                TimeSpan.FromSeconds(0.5 + (2.5 * random.NextDouble())),
                random.Next(10) switch { 0 => Victim.Client, < 4 => Victim.Scheduler, _ => Victim.Decoder },
                random.Next(3),
                kind,
                TimeSpan.FromSeconds(kind switch
                {
                    FaultKind.ShortPause => 1 + (6 * random.NextDouble()),
                    FaultKind.LongPause => 28 + (4 * random.NextDouble()),
                    _ => 0.5 + (2.5 * random.NextDouble()),
                }));
        }
    }
}
