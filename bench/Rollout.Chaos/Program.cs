using System.Diagnostics;
using System.Runtime.InteropServices;
using Rollout.Chaos;

ChaosOptions options;
try
{
    options = ChaosOptions.Parse(args);
}
catch (ArgumentException fault)
{
    await Console.Error.WriteLineAsync(fault.Message);
    return 2;
}

using var stop = new CancellationTokenSource();
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
var folder = Directory.CreateTempSubdirectory("rollout-chaos-").FullName;
var failed = 0;
try
{
    failed = await RunAllAsync();
}
catch (OperationCanceledException)
{
    Console.WriteLine("stopped");
    failed = 1;
}
if (failed == 0 && !options.Keep)
    Directory.Delete(folder, recursive: true);
else
    Console.WriteLine($"what the processes said is in {folder}");
return failed == 0 ? 0 : 1;

void End(PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.Cancel();
}

async Task<int> RunAllAsync()
{
    var job = new Job(folder, options.Groups, options.Samples);
    if (options.Load is { } time)
    {
        await new LoadRun(job, Path.Combine(folder, "load")).PrintAsync(time, stop.Token);
        return 0;
    }
    Console.WriteLine($"{options.Groups} groups of {options.Samples}, alone in one process:");
    await RunAloneAsync(job);
    var calm = await RunAsync("calm", []);
    Console.WriteLine(
        $"on an undisturbed cluster: {calm.Seconds:F1} s, {calm.Completions.Tokens} tokens"
        + (calm.Fault is null ? "" : $", {calm.Fault}"));
    Console.WriteLine();
    Console.WriteLine("seed  faults: kill short long leave (schedulers, clients)  again  groups  moved   kept  seconds   lost  result");
    var failures = calm.Fault is null ? 0 : 1;
    for (var seed = options.FirstSeed; seed <= options.LastSeed; seed++)
    {
        var run = await RunAsync($"seed-{seed}", FaultSchedule.Of(seed));
        failures += run.Fault is null ? 0 : 1;
        Console.WriteLine(
            $"{seed,4}  {run.Faults.Count,6}  {Count(run, FaultKind.Kill),4} {Count(run, FaultKind.ShortPause),5}"
            + $" {Count(run, FaultKind.LongPause),4} {Count(run, FaultKind.Leave),5}"
            + $" {On(run, Victim.Scheduler),12} {On(run, Victim.Client),8}  {run.StartedAgain,5}  {run.Completions.Groups,6}  {run.Moved,5}  {run.Kept,5}"
            + $"  {run.Seconds,7:F1}  {run.Seconds - calm.Seconds,5:F1}  {run.Fault ?? "equal"}");
    }
    return failures;

    Task<RunOutcome> RunAsync(string name, IEnumerable<Fault> faults) =>
        new ChaosRun(job, Path.Combine(folder, name), options.Limit).RunAsync(faults, stop.Token);
}

static int Count(RunOutcome run, FaultKind kind) => run.Faults.Count(fault => fault.Kind == kind);

static int On(RunOutcome run, Victim victim) => run.Faults.Count(fault => fault.On == victim);

async Task RunAloneAsync(Job job)
{
    var started = Stopwatch.GetTimestamp();
    using var alone = ChildProcess.Start(
        "alone", folder, _ => { }, [.. job.Arguments, "--out", job.Reference, "--block-size", "4"]);
    await alone.Exited.WaitAsync(options.Limit, stop.Token);
    if (alone.ExitCode != 0)
        throw new InvalidOperationException($"rollout generate ended with {alone.ExitCode} ({folder}/alone.log)");
    Console.WriteLine($"  {Stopwatch.GetElapsedTime(started).TotalSeconds:F1} s");
}
