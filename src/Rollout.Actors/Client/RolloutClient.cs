using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Client;

/// <summary>The one way in for whoever wants prompts completed.</summary>
/// <param name="system">The actor system that the scheduler can be reached from.</param>
/// <param name="scheduler">The scheduler, or its singleton proxy.</param>
public sealed class RolloutClient(ActorSystem system, IActorRef scheduler)
{
    /// <summary>
    /// Submits groups and gives each one's outcome as it comes, every group exactly once. Not more than
    /// <paramref name="window"/> groups are on their way or wait to be read at a time: the source is read as results are.
    /// </summary>
    /// <param name="groups">Read once, in order; ids must be unique.</param>
    /// <param name="window">Groups submitted whose outcomes the caller does not have yet, at most.</param>
    /// <param name="required">The only weights that they may be decoded with; null for any.</param>
    /// <param name="fingerprint">Of the only model and tokenizer that they may be decoded with; null for any.</param>
    /// <param name="cancellation">Cancels what is on its way.</param>
    public async IAsyncEnumerable<GroupOutcome> GenerateAsync(
        IEnumerable<GroupRequest> groups,
        int window = 4096,
        Policy? required = null,
        string? fingerprint = null,
        [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(window, 1);
        // Never more than the window: the session submits nothing beyond what has been read.
        var outcomes = Channel.CreateUnbounded<GroupOutcome>(new UnboundedChannelOptions { SingleReader = true });
        var source = groups.GetEnumerator();
        var session = system.ActorOf(
            ClientSession.Props(source, window, required, fingerprint, scheduler, outcomes.Writer));
        try
        {
            await foreach (var outcome in outcomes.Reader.ReadAllAsync(cancellation).ConfigureAwait(false))
            {
                session.Tell(new ClientSession.OutcomeRead(outcome));
                yield return outcome;
            }
        }
        finally
        {
            system.Stop(session);
        }
    }
}
