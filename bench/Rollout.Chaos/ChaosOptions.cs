using System.Globalization;

namespace Rollout.Chaos;

/// <summary>What the command line asks for.</summary>
/// <param name="FirstSeed">Of the runs.</param>
/// <param name="LastSeed">Of the runs.</param>
/// <param name="Groups">Groups of each run's job.</param>
/// <param name="Samples">Samples of each group.</param>
/// <param name="Limit">A run that takes longer has failed.</param>
/// <param name="Keep">Keep what the processes wrote, also of runs that went well.</param>
/// <param name="Load">No faults: measure the cluster at rest and under full load, this long each. Null for runs with faults.</param>
internal sealed record ChaosOptions(
    int FirstSeed, int LastSeed, int Groups, int Samples, TimeSpan Limit, bool Keep, TimeSpan? Load)
{
    public const string Usage =
        """
        chaos [--seeds A..B] [--groups N] [--samples N] [--limit SECONDS] [--keep]
          Runs a generation job on a cluster of real processes (3 scheduler candidates, 3 decoders, 1 client) once
          undisturbed and once a seed, in which processes are killed, stopped, resumed and restarted, and compares.
          Defaults: --seeds 1..1 --groups 200 --samples 8 --limit 600.
        chaos --load SECONDS
          Measures heartbeats and the step barrier on such a cluster, this long at rest and this long with every core
          taken several times over.
        """;

    /// <exception cref="ArgumentException">An argument can't be used; the message says which.</exception>
    public static ChaosOptions Parse(IReadOnlyList<string> args)
    {
        var options = new ChaosOptions(1, 1, 200, 8, TimeSpan.FromSeconds(600), Keep: false, Load: null);
        for (var i = 0; i < args.Count; i++)
        {
            options = args[i] switch
            {
                "--keep" => options with { Keep = true },
                "--seeds" => options.WithSeeds(Value(args, ref i)),
                "--groups" => options with { Groups = Whole(args, ref i) },
                "--samples" => options with { Samples = Whole(args, ref i) },
                "--limit" => options with { Limit = TimeSpan.FromSeconds(Whole(args, ref i)) },
                "--load" => options with { Load = TimeSpan.FromSeconds(Whole(args, ref i)) },
                _ => throw new ArgumentException($"{args[i]} is not an option\n{Usage}"),
            };
        }
        return options;
    }

    private ChaosOptions WithSeeds(string range)
    {
        var ends = range.Split("..");
        return ends.Length <= 2 && int.TryParse(ends[0], out var first) && int.TryParse(ends[^1], out var last)
            && first <= last
            ? this with { FirstSeed = first, LastSeed = last }
            : throw new ArgumentException($"--seeds {range}: expected a seed, or two with '..' between them");
    }

    private static int Whole(IReadOnlyList<string> args, ref int i)
    {
        var option = args[i];
        var value = Value(args, ref i);
        return int.TryParse(value, CultureInfo.InvariantCulture, out var number) && number > 0
            ? number
            : throw new ArgumentException($"{option} {value}: expected a number above 0");
    }

    private static string Value(IReadOnlyList<string> args, ref int i) => ++i < args.Count
        ? args[i]
        : throw new ArgumentException($"{args[i - 1]}: expected a value after it");
}
