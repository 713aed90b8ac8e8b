using Akka;
using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using Rollout.Actors.Client;
using Rollout.Actors.Protocol;

namespace Rollout.Actors.Topology;

/// <summary>
/// What a process does before its actor system stops anything: its decoders hand back their work, and its trainer saves.
/// Each has a deadline, so that none holds up the end for ever.
/// </summary>
/// <param name="system">The process's actor system.</param>
/// <param name="whyEnded">Why the process is of no more use to its cluster; null while it is.</param>
internal sealed class ShutdownTasks(ActorSystem system, Func<string?> whyEnded)
{
    private static readonly TimeSpan DrainTimeout = TimeSpan.FromSeconds(25);

    /// <summary>A decoder hands back its unfinished work, for others to go on with.</summary>
    public void AddDrain(string device, IActorRef decoder) => Add($"drain-{device}", () => DrainAsync(decoder));

    /// <summary>A run that is under way saves what it has learnt, and can still say so.</summary>
    /// <param name="training">The run.</param>
    /// <param name="checkpointBytes">The size of its checkpoint.</param>
    public void AddSave(TrainingClient training, Func<long> checkpointBytes) =>
        Add("save-training", () => SaveAsync(training, SaveDeadline.Of(checkpointBytes())));

    private void Add(string name, Func<Task> run) => CoordinatedShutdown.Get(system).AddTask(
        CoordinatedShutdown.PhaseBeforeServiceUnbind,
        name,
        async () =>
        {
            await run().ConfigureAwait(false);
            return Done.Instance;
        });

    private async Task DrainAsync(IActorRef decoder)
    {
        // Where there is nobody else, or the others have given this process up, nobody takes the work.
        if (Cluster.Get(system).State.Members.Count < 2 || whyEnded() is not null)
            return;
        try
        {
            await decoder.Ask<Drained>(new Drain(), DrainTimeout).ConfigureAwait(false);
        }
        catch (AskTimeoutException)
        {
            system.Log.Warning("{0} did not hand back its work within {1}", decoder.Path.Name, DrainTimeout);
        }
    }

    private async Task SaveAsync(TrainingClient training, TimeSpan deadline)
    {
        try
        {
            await training.AbandonAsync(whyEnded() ?? "the actor system stops", deadline).ConfigureAwait(false);
        }
        catch (AskTimeoutException)
        {
            system.Log.Warning("the trainer did not save what it has learnt within {0}", deadline);
        }
    }
}
