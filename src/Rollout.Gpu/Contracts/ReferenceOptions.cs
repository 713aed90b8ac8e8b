namespace Rollout.Gpu.Contracts;

/// <summary>The reference policy of the KL term: how it follows the policy, and where it waits.</summary>
/// <param name="SyncEvery">
/// Training steps between two synchronisations with the policy; 0 keeps the initial policy. TRL's ref_model_sync_steps
/// counts optimizer steps.
/// </param>
/// <param name="MixupAlpha">
/// A synchronisation gives α · policy + (1 − α) · reference (TRL's ref_model_mixup_alpha; TR-DPO, arXiv:2404.09656).
/// </param>
/// <param name="Offload">Keep it in host memory while it computes nothing.</param>
public sealed record ReferenceOptions(int SyncEvery, double MixupAlpha, bool Offload)
{
    /// <summary>The initial policy, on the policy's device.</summary>
    public static readonly ReferenceOptions Initial = new(0, 1, Offload: false);
}
