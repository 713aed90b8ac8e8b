using Akka.Actor;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Client;

/// <summary>Pauses decoders and replaces their weights, from outside of actors.</summary>
/// <param name="keeper">The policy keeper.</param>
public sealed class PolicyClient(IActorRef keeper)
{
    /// <summary>The weights that are held, and whether decoders are paused.</summary>
    public Task<PolicyState> QueryAsync(CancellationToken cancellation) => AskAsync(new QueryPolicy(), cancellation);

    /// <summary>Ends when no decoder computes.</summary>
    /// <exception cref="PolicyRefusedException">A decoder did not stop in time.</exception>
    public Task<PolicyState> PauseAsync(CancellationToken cancellation) => AskAsync(new PauseDecoding(), cancellation);

    /// <summary>Ends when every decoder goes on.</summary>
    /// <exception cref="PolicyRefusedException">A decoder did not go on in time.</exception>
    public Task<PolicyState> ResumeAsync(CancellationToken cancellation) => AskAsync(new ResumeDecoding(), cancellation);

    /// <summary>Replaces the weights by a folder's; see <see cref="ReplaceWeights"/>.</summary>
    /// <exception cref="PolicyRefusedException">The version is not newer, or the folder's weights can't be loaded.</exception>
    public Task<PolicyState> ReplaceAsync(string folder, PolicyVersion? version, CancellationToken cancellation) =>
        AskAsync(new ReplaceWeights(folder, version), cancellation);

    private async Task<PolicyState> AskAsync(IPolicyKeeperMessage question, CancellationToken cancellation) =>
        await keeper.Ask(question, cancellation).ConfigureAwait(false) switch
        {
            PolicyState state => state,
            PolicyRefused refused => throw new PolicyRefusedException(refused.Reason),
            var other => throw new InvalidOperationException($"unknown answer {other}"),
        };
}

/// <summary>Weights were not replaced, or decoders not paused; the message says why.</summary>
public sealed class PolicyRefusedException(string message) : Exception(message);
