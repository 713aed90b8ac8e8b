using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Blocks;

/// <summary>Refuses demands that only a bug can make, before the ledger changes anything. Allocates nothing once warm.</summary>
internal sealed class DemandCheck
{
    private readonly HashSet<SequenceId> _admitted = [];

    /// <param name="demand">What a decoder asks for.</param>
    /// <param name="version">The ledger's policy version.</param>
    /// <exception cref="InvalidOperationException">The demand makes no sense; the message names the sequence.</exception>
    public void Require(StepDemand demand, PolicyVersion version)
    {
        if (demand.Version != version)
            throw Senseless(demand, $"computes under {demand.Version} but the ledger is at {version}");

        _admitted.Clear();
        foreach (var request in demand.Admissions)
        {
            var (members, tokens) = (request.Members, request.Tokens.Length);
            if (members.Length == 0)
                throw Senseless(demand, "admits nobody");
            if (tokens == 0 || tokens > request.MaxLength)
                throw Senseless(demand, $"admits {members[0]} with {tokens} of {request.MaxLength} tokens");
            foreach (var member in members)
            {
                if (!_admitted.Add(member))
                    throw Senseless(demand, $"admits {member} twice");
            }
        }
    }

    private static InvalidOperationException Senseless(StepDemand demand, string what) => new($"step {demand.Step} {what}");
}
