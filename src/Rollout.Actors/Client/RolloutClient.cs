using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Client;

/// <summary>Submits groups from outside of actors. Each gets one outcome: finished with all its samples, or failed.</summary>
/// <param name="system">Where sessions run.</param>
/// <param name="scheduler">The scheduler, or its singleton proxy.</param>
public sealed class RolloutClient(ActorSystem system, IActorRef scheduler)
{
    /// <summary>
    /// Submits groups and gives each one's outcome as it comes, every group exactly once. At most <paramref name="window"/>
    /// groups are on their way or wait to be read at a time: the source is read as outcomes are.
    /// </summary>
    /// <param name="groups">Read once, in order; ids must be unique.</param>
    /// <param name="window">The most submitted groups whose outcomes the caller does not have.</param>
    /// <param name="required">The only weights that they may be decoded with; null for any.</param>
    /// <param name="fingerprint">The only model and tokenizer that they may be decoded with; null for any.</param>
    /// <param name="cancellation">Cancels what is on its way.</param>
    public async IAsyncEnumerable<GroupOutcome> GenerateAsync(
        IEnumerable<GroupRequest> groups,
        int window = 4096,
        Policy? required = null,
        string? fingerprint = null,
        [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(window, 1);
        // Never holds more than the window: the session submits nothing beyond it.
        var outcomes = Channel.CreateUnbounded<GroupOutcome>(new UnboundedChannelOptions { SingleReader = true });
        var source = groups.GetEnumerator();
        var session = system.ActorOf(
            ClientSession.Props(source, window, new Submitter(scheduler, required, fingerprint), outcomes.Writer));
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

    /// <summary>
    /// Submits a few groups and gives the tokens of their samples as they come: while a group grows if it is
    /// <see cref="GroupRequest.Streamed"/>, else with its outcome. Ends when all samples have ended. Whoever stops reading
    /// cancels the rest.
    /// </summary>
    /// <param name="groups">At least one, with different ids whose client is 0.</param>
    /// <param name="required">The only weights that they may be decoded with; null for any.</param>
    /// <param name="fingerprint">The only model and tokenizer that they may be decoded with; null for any.</param>
    /// <param name="cancellation">Cancels what is on its way.</param>
    /// <exception cref="GroupFailedException">A group could not be sampled; the others are cancelled.</exception>
    public async IAsyncEnumerable<SampleNews> SampleAsync(
        IReadOnlyList<GroupRequest> groups,
        Policy? required = null,
        string? fingerprint = null,
        [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        // Never holds more than the samples' tokens.
        var news = Channel.CreateUnbounded<SampleNews>(new UnboundedChannelOptions { SingleReader = true });
        var session = system.ActorOf(
            StreamSession.Props(groups, new Submitter(scheduler, required, fingerprint), news.Writer));
        try
        {
            await foreach (var one in news.Reader.ReadAllAsync(cancellation).ConfigureAwait(false))
                yield return one;
        }
        finally
        {
            system.Stop(session);
        }
    }
}
