using System.Diagnostics;
using Akka.Actor;
using Rollout.Actors.Decoding;
using Rollout.Actors.Protocol;

namespace Rollout.Benchmarks.Blocks;

/// <summary>
/// A demand of 512 sequences to the allocator actor and its grant back, as the decoder sees it: from Tell to
/// Receive, both on the default dispatcher, one after the other.
/// </summary>
internal static class AllocatorRoundTrip
{
    private const int WarmUpRounds = 2;
    private const int Rounds = 10;

    public static async Task PrintAsync()
    {
        using var system = ActorSystem.Create("benchmark", "akka.loglevel = WARNING");
        var batch = new GrowingBatch();
        var allocator = system.ActorOf(Props.Create(() => new BlockAllocatorActor(batch.Ledger)));
        var done = new TaskCompletionSource<double[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        system.ActorOf(Props.Create(() => new Requester(allocator, batch, done)));
        var micros = await done.Task;
        await system.Terminate();
        Array.Sort(micros);
        Console.WriteLine(
            $"allocator round trip, {GrowingBatch.Sequences} sequences, {micros.Length} steps:"
            + $" median {micros[micros.Length / 2]:F1} µs, p99 {micros[micros.Length * 99 / 100]:F1} µs,"
            + $" max {micros[^1]:F1} µs");
    }

    /// <summary>Restarts the batch, grows it to its end, and so on; reports µs a step.</summary>
    private sealed class Requester : ReceiveActor
    {
        private readonly IActorRef _allocator;
        private long _asked;

        public Requester(IActorRef allocator, GrowingBatch batch, TaskCompletionSource<double[]> done)
        {
            _allocator = allocator;
            var micros = new double[Rounds * GrowingBatch.Steps];
            var (round, step) = (-WarmUpRounds, 0);
            Receive<BlocksReserved>(reserved =>
            {
                var elapsed = Stopwatch.GetElapsedTime(_asked);
                if (round >= 0 && step > 0)
                    micros[(round * GrowingBatch.Steps) + step - 1] = elapsed.TotalMicroseconds;
                if (reserved.Grant.Usage.Logical < GrowingBatch.Sequences)
                    done.TrySetException(new InvalidOperationException("the pool is too small"));
                if (step++ < GrowingBatch.Steps)
                {
                    Ask(new ReserveBlocks(batch.NextStep()));
                    return;
                }

                step = 0;
                if (++round < Rounds)
                    Ask(new ReserveBlocks(batch.Restart()));
                else
                    done.TrySetResult(micros);
            });
            Ask(new ReserveBlocks(batch.Restart()));
        }

        private void Ask(ReserveBlocks demand)
        {
            _asked = Stopwatch.GetTimestamp();
            _allocator.Tell(demand);
        }
    }
}
