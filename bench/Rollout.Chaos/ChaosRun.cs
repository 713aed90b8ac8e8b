using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Rollout.Chaos;

/// <summary>What a run came to.</summary>
/// <param name="Fault">What is wrong; null where nothing is.</param>
/// <param name="Seconds">From the client's start to its end.</param>
/// <param name="Faults">Injected, by what they were.</param>
/// <param name="Moved">Unfinished samples that went on elsewhere.</param>
/// <param name="Kept">Tokens that those had, which were computed once more as prompts are and not sampled again.</param>
/// <param name="StartedAgain">Processes that were given up or not let in, and were started again.</param>
/// <param name="Completions">What the client wrote.</param>
internal sealed record RunOutcome(
    string? Fault,
    double Seconds,
    IReadOnlyList<Fault> Faults,
    int Moved,
    long Kept,
    int StartedAgain,
    Completions Completions);

/// <summary>The job on a cluster of its own, from its start to its last process's end.</summary>
internal sealed partial class ChaosRun(Job job, string folder, TimeSpan limit)
{
    private readonly ConcurrentQueue<(int Samples, long Tokens)> _losses = [];

    /// <param name="faults">What is to happen; none in an undisturbed run.</param>
    /// <param name="stop">Ends everything.</param>
    public async Task<RunOutcome> RunAsync(IEnumerable<Fault> faults, CancellationToken stop)
    {
        Directory.CreateDirectory(folder);
        var output = Path.Combine(folder, "output.jsonl");
        using var cluster = new ChaosCluster(folder, job.Model, Hear);
        await cluster.StartAsync().WaitAsync(stop);
        var started = Stopwatch.GetTimestamp();
        var ended = cluster.RunJobAsync([.. job.Arguments, "--out", output, "--cluster", cluster.Addresses], again: "--resume");
        using var over = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var injecting = InjectAsync(cluster, faults, over.Token);
        var inTime = await Task.WhenAny(ended, Task.Delay(limit, stop)) == ended;
        stop.ThrowIfCancellationRequested();
        var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        await over.CancelAsync();
        string? unwell = null;
        IReadOnlyList<Fault> injected = [];
        try
        {
            injected = await injecting;
            await cluster.SettleAsync();
        }
        catch (Exception fault) when (fault is InvalidOperationException or TimeoutException or OperationCanceledException)
        {
            unwell = fault.Message;
        }

        var completions = Completions.Compare(job.Reference, output);
        var wrong = !inTime ? $"the client was not done within {limit.TotalSeconds:F0} s"
            : cluster.Surprise
            ?? completions.Fault
            ?? unwell
            ?? await LedgerCheck.RunAsync(cluster, TimeSpan.FromSeconds(60))
            ?? await cluster.LeaveAsync();
        return new RunOutcome(
            wrong,
            seconds,
            injected,
            _losses.Sum(loss => loss.Samples),
            _losses.Sum(loss => loss.Tokens),
            cluster.StartedAgain,
            completions);
    }

    private static async Task<IReadOnlyList<Fault>> InjectAsync(
        ChaosCluster cluster, IEnumerable<Fault> faults, CancellationToken over)
    {
        var injected = new List<Fault>();
        var running = new List<Task>();
        try
        {
            foreach (var fault in faults)
            {
                await Task.Delay(fault.After, over);
                if (cluster.Begin(fault, over) is not { } task)
                    continue;
                injected.Add(fault);
                running.Add(task);
            }
        }
        catch (OperationCanceledException)
        {
        }
        await Task.WhenAll(running);
        return injected;
    }

    private void Hear(string line)
    {
        if (Loss().Match(line) is { Success: true } loss)
        {
            _losses.Enqueue((
                int.Parse(loss.Groups["samples"].Value, CultureInfo.InvariantCulture),
                long.Parse(loss.Groups["tokens"].Value, CultureInfo.InvariantCulture)));
        }
    }

    [GeneratedRegex(@"(?<samples>\d+) samples continue on other decoders, after (?<tokens>\d+) tokens")]
    private static partial Regex Loss();
}
