using System.Collections.Concurrent;
using System.Diagnostics;

namespace Rollout.Actors.Rewards.Programs;

/// <summary>
/// Starts programs from one thread that lives as long as the process. Linux kills a program that dies with its parent when
/// the thread that started it ends, and threads of the pool do.
/// </summary>
internal static class StarterThread
{
    private static readonly BlockingCollection<Action> Waiting = [];

    static StarterThread() => new Thread(() =>
    {
        foreach (var start in Waiting.GetConsumingEnumerable())
            start();
    })
    {
        IsBackground = true,
        Name = "program starter",
    }.Start();

    /// <summary>Blocks until the program runs, as Process.Start does: who asks scores a sample, and can't go on without it.</summary>
    /// <exception cref="System.ComponentModel.Win32Exception">The program can't be started.</exception>
    public static Process Start(ProcessStartInfo program)
    {
        var started = new TaskCompletionSource<Process>();
        Waiting.Add(() =>
        {
            try
            {
                started.SetResult(Process.Start(program)!);
            }
            catch (Exception cause) when (cause is System.ComponentModel.Win32Exception or InvalidOperationException)
            {
                started.SetException(cause);
            }
        });
        return started.Task.GetAwaiter().GetResult();
    }
}
